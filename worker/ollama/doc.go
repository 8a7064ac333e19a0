// Package ollama is the inference server as the worker sees it: starting and ending one, telling when it is really
// ready, and asking it for answers.
//
// Invariants:
//
//   - No server outlives the worker. A guard, this same binary as a small child, stands between the two; when the
//     worker's end of its pipe closes, for whatever reason, the guard ends everything below it.
//   - A server answers on loopback and on a port that nobody chose, from a scratch HOME, with an environment in which
//     only the worker's settings for it remain.
//   - Its output is always read: a full pipe would stop it.
//   - Ready means that an answer came, on the device that was asked for. A server that listens has proved nothing.
//   - Every request carries the same runner options (num_ctx above all): a difference makes the server load the model
//     again.
package ollama
