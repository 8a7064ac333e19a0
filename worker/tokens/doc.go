// Package tokens estimates how many tokens rows take, and chooses by that how much context the servers' slots get.
//
// Only the server can count tokens, and it has the model in memory when it can: after the context was chosen. So a row is
// weighed by its text, the weights are brought to the model's own scale by its vocabulary, and the first answers correct
// that. An estimate decides when a row is asked, and with how much context; it never decides that a row is too long.
package tokens
