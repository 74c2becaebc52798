#!/bin/sh
# The folder is the dependency rule: base <- http, store <- core <- fcgi, and
# each foreign library has one door.  Includes are written from the top.
set -eu
cd "${top_srcdir:-.}"
find lib fcgi -name '*.[ch]' | LC_ALL=C sort | xargs grep -n '^[ 	]*#[ 	]*include' |
awk -F: '
function bad(why) {
	print file ":" line ": " why
	failed = 1
}
function layer(path, part) {
	split(path, part, "/")
	return part[1] == "lib" ? part[2] : part[1]
}
# what each layer may include besides the system
BEGIN {
	may["base"] = " base "
	may["http"] = " base http "
	may["store"] = " base store "
	may["core"] = " base http store core "
	may["fcgi"] = " base http store core fcgi "
}
{
	file = $1
	line = $2
	text = $0
	sub(/^[^:]*:[^:]*:/, "", text)
	own = layer(file)
	if (!(own in may)) {
		bad("no such layer: " own)
		next
	}
	if (text ~ /include[ \t]*"/) {
		path = text
		sub(/^[^"]*"/, "", path)
		sub(/".*$/, "", path)
		if (path == "config.h")
			next
		if (path !~ /^(lib\/[a-z]+|fcgi)\/[a-z0-9_]+\.h$/)
			bad("\"" path "\" is not written from the top")
		else if ((getline unused < path) < 0)
			bad("\"" path "\" does not exist")
		else if (index(may[own], " " layer(path) " ") == 0)
			bad(own " may not include " path)
		close(path)
		next
	}
	path = text
	sub(/^[^<]*</, "", path)
	sub(/>.*$/, "", path)
	if (path ~ /^(libpq-fe\.h|libpq\/|hiredis)/ && own != "store")
		bad("<" path "> belongs to lib/store")
	if (path ~ /^curl\// && own != "http")
		bad("<" path "> belongs to lib/http")
	if (path ~ /^(fcgiapp|fcgi_stdio|fcgios|fcgi_config)\.h|^fastcgi/ &&
	    file != "fcgi/io_fcgx.c" && file != "fcgi/os_fcgx.c")
		bad("<" path "> belongs to fcgi/io_fcgx.c and fcgi/os_fcgx.c")
	if (path ~ /^sodium/ && own != "base")
		bad("<" path "> belongs to lib/base")
	if (path ~ /^(ucontext|setjmp)\.h/ && file != "lib/base/co.c")
		bad("<" path "> belongs to lib/base/co.c")
}
END {
	if (NR == 0)
		bad("no source found")
	exit failed
}'
