// Package schema bounds, rewrites and checks the JSON Schemas of rows.
//
// A schema comes from a user and goes two ways. A server turns it into a grammar for the tokens of the answer, and
// fluxworker checks the answer against it. Both ways are dangerous: a schema of two kilobytes can describe a check
// without end, and a schema that the grammar of a server does not hold can end the server. So Compile refuses a schema
// beyond its limits, and [Schema.Grammar] is the schema in the form that the grammars of both generations of Ollama
// hold. An answer is always checked against the schema as the user wrote it.
package schema
