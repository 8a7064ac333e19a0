// Package ollama is the inference server as the worker sees it: starting and ending one, telling when it is really
// ready, and asking it for answers.
//
// Invariants:
//
//   - No server outlives the worker. A guard, this same binary as a small child, stands between the two; when the
//     worker's end of its pipe closes, for whatever reason, the guard ends everything below it. An isolated guard is the
//     first process of a PID namespace: nothing of the server can outlive it, either.
//   - An isolated server has a network of its own, which holds nothing but loopback. The one way in is the hatch, a socket
//     pair that the worker and the guard were born with: the guard connects inside and passes the connected socket out.
//   - A server answers on loopback and on a port that nobody chose, from a scratch HOME, with an environment in which
//     only the worker's settings for it remain.
//   - Its output is always read: a full pipe would stop it.
//   - Ready means that an answer came, on the device that was asked for. A server that listens has proved nothing.
//   - Every request carries the same runner options (num_ctx above all): a difference makes the server load the model
//     again.
package ollama
