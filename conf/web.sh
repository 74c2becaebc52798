# shellcheck shell=bash
# Web servers of our own, by the samples beside this file as they stand, for
# ./start and the tests: on loopback, in one folder, as any user. Sourced
# after private.sh.

WL_APACHE_MODULES=${WL_APACHE_MODULES:-/usr/lib/apache2/modules}

# wl_web_make KIND DIR NAME PORT SOCK CONF BIN HTDOCS [BASE]: write what a web
# server of KIND (nginx, lighttpd, spawn, apache, fcgid, cgi) needs to
# DIR/NAME.*, and print its command, an argument a line. SOCK is where the
# workers listen, CONF the configuration and BIN the path of watchllm.fcgi,
# HTDOCS the folder of static files, BASE the path that it is mounted under.
wl_web_make() {
	local kind=$1 dir=$2 name=$3 port=$4 sock=$5 conf=$6 bin=$7 htdocs=$8
	local base=${9:-} d=$2/$3
	wl_as mkdir -p "$d.d" "$dir/log" "$dir/run" || return 1
	"wl_web_$kind" | wl_as tee "$d.conf" >/dev/null || return 1
	case $kind in
	nginx) printf '%s\n' nginx -c "$d.conf" -e "$d.d/error.log" ;;
	lighttpd|spawn) printf '%s\n' lighttpd -D -f "$d.conf" ;;
	*) printf '%s\n' apache2 -D FOREGROUND -f "$d.conf" ;;
	esac
}

# A sample with its standing paths made those of the caller.
wl_web_sample() {
	sed -e "s#/run/watchllm/fcgi\\.sock#$sock#g" \
	    -e "s#/run/watchllm/lighttpd\\.sock#$dir/run/lighttpd-$port.sock#g" \
	    -e "s#127\\.0\\.0\\.1:8080#127.0.0.1:$port#g" \
	    -e "s#/usr/lib/cgi-bin/watchllm\\.fcgi#$bin#g" \
	    -e "s#/usr/lib/cgi-bin#${bin%/*}#g" \
	    -e "s#/usr/share/watchllm/htdocs#$htdocs#g" \
	    -e "s#/etc/watchllm/watchllm\\.conf#$conf#g" \
	    -e "s#\\^/(#^$base/(#" "$WL_CONF_DIR/$1"
}

wl_web_nginx() {
	cat <<-END
	daemon off;
	worker_processes 1;
	pid $d.d/pid;
	error_log $d.d/error.log;
	events { worker_connections 8192; }
	http {
	include /etc/nginx/mime.types;
	access_log off;
	client_body_temp_path $d.d/body;
	proxy_temp_path $d.d/proxy;
	fastcgi_temp_path $d.d/fastcgi;
	uwsgi_temp_path $d.d/uwsgi;
	scgi_temp_path $d.d/scgi;
	END
	wl_web_sample nginx/watchllm.conf
	echo '}'
}

# wl_web_lighttpd [SAMPLE]
wl_web_lighttpd() {
	cat <<-END
	server.bind = "127.0.0.1"
	server.port = $port
	server.document-root = "$htdocs"
	server.max-connections = 4096
	server.max-fds = 16384
	index-file.names = ( "index.html" )
	mimetype.assign = ( ".html" => "text/html", ".js" => "text/javascript",
	    ".css" => "text/css" )
	END
	wl_web_sample "${1:-lighttpd/watchllm.conf}"
}

wl_web_spawn() {
	wl_web_lighttpd lighttpd/spawn.conf
}

# wl_web_httpd MODULE...: what any Apache needs.
wl_web_httpd() {
	local m
	for m in mpm_event authz_core authn_core dir alias env setenvif mime "$@"
	do
		echo "LoadModule ${m}_module $WL_APACHE_MODULES/mod_$m.so"
	done
	cat <<-END
	ServerRoot $dir
	DefaultRuntimeDir $d.d
	ServerName 127.0.0.1
	Listen 127.0.0.1:$port
	PidFile $d.d/pid
	ErrorLog $d.d/error.log
	TypesConfig /etc/mime.types
	TraceEnable off
	ThreadsPerChild 64
	MaxRequestWorkers 1024
	ServerLimit 16
	END
}

wl_web_apache() {
	wl_web_httpd proxy proxy_fcgi
	echo "DocumentRoot $htdocs"
	echo "<Directory $htdocs>"
	echo "Require all granted"
	echo "</Directory>"
	wl_web_sample apache/proxy_fcgi.conf
}

# A site's folder as a shared host gives it: .htaccess and a wrapper.
wl_web_fcgid() {
	wl_as mkdir -p "$d.site" || return 1
	printf '#!/bin/sh\nexec %s --config %s\n' "$bin" "$conf" |
	    wl_as tee "$d.site/watchllm.fcgi" >/dev/null || return 1
	wl_as chmod 755 "$d.site/watchllm.fcgi"
	wl_web_sample apache/htaccess | wl_as tee "$d.site/.htaccess" >/dev/null
	wl_web_httpd rewrite fcgid
	cat <<-END
	FcgidIPCDir $d.d
	FcgidProcessTableFile $d.d/shm
	DocumentRoot $d.site
	<Directory $d.site>
	AllowOverride All
	Require all granted
	</Directory>
	END
	wl_web_sample apache/fcgid.conf
}

wl_web_cgi() {
	wl_web_httpd cgid
	echo "ScriptSock $d.d/cgisock"
	wl_web_sample apache/cgi.conf
}
