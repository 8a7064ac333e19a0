package outputs

import "strings"

// Hostile returns texts that try to leave their place in a page: tags, quotes, comments, control characters, marks that turn the
// direction of writing, and bytes that are not UTF-8. A script in them sets pwned.
func Hostile() []string {
	return []string{
		"<script>pwned=1</script>",
		"</style><img src=x onerror=pwned=1>",
		`" onmouseover="pwned=1" x="`,
		"' autofocus onfocus='pwned=1",
		"</pre></div></article></main></body></html><script>pwned=1</script>",
		"<!-- <![CDATA[ ]]> --> <svg onload=pwned=1><style>*{display:none}</style>",
		"</title></desc></svg><iframe src=javascript:pwned=1></iframe>",
		"{{.}} {{template \"row\"}} ${pwned} `pwned`",
		"javascript:pwned=1",
		"<a href=\"http://example.invalid/\">link</a><link rel=stylesheet href=http://example.invalid/x.css>",
		"nul \x00 escape \x1b[31m bell \a delete \x7f next line \u0085 separators \u2028\u2029 carriage\rreturn",
		"\u202eright to left override \u2067isolate \u200f\u061c never closed",
		"not UTF-8: \xff\xfe\xc3( \xed\xa0\x80",
		"\ufffe \uffff \U0001ffff no characters",
		strings.Repeat("a\u0300\u0301\u0302\u0303\u0304", 300),
		strings.Repeat("w", 3000),
		"&lt;script&gt; &amp;amp; &#x3c;",
		"<meta http-equiv=refresh content='0;url=http://example.invalid/'>",
		"<form action=http://example.invalid/><input autofocus onfocus=pwned=1></form><base href=http://example.invalid/>",
		"مرحبا بالعالم \"quoted\" שלום",
		"",
	}
}
