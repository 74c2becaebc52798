htdocsdir = $(pkgdatadir)/htdocs
dist_htdocs_DATA = \
	www/index.html \
	www/index.js \
	www/watchllm.css
