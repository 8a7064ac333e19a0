// Package tokens estimates the number of tokens of rows, and chooses the context length of the servers' slots by it.
//
// Only a server with the model in memory can count tokens, and it gets its context before it loads the model. So the text of
// a row gets a weight, the model's vocabulary scales the weights to tokens, and the first answers correct the scale. An
// estimate decides when a row is asked, and with which context; it never decides that a row is too long.
package tokens
