# .htaccess of the folder that holds watchllm.fcgi, for plain CGI.
Options +ExecCGI
AddHandler cgi-script .fcgi
RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^(v1|observability|health)(/.*)?$ watchllm.fcgi/$1$2 [QSA,L,E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
