# Print C source with comments and the insides of strings blanked, a line for
# each line, so that what is searched for is code.  With -v strings=1 the
# insides of strings stay.
{
	out = ""
	n = length($0)
	for (i = 1; i <= n; i++) {
		c = substr($0, i, 1)
		two = substr($0, i, 2)
		if (comment) {
			if (two == "*/") {
				comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\") {
				if (strings)
					out = out two
				i++
			} else if (c == quote) {
				out = out c
				quote = ""
			} else if (strings)
				out = out c
		} else if (two == "/*") {
			comment = 1
			i++
			out = out " "
		} else if (two == "//")
			break
		else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	if (!comment && substr($0, n, 1) != "\\")
		quote = ""
	print out
}
