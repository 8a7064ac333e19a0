// Package ollama starts, guards and stops an Ollama server, verifies that the server is ready, and sends requests to
// it.
//
// Invariants:
//
//   - No server outlives the worker. A guard (this binary as a small child process) runs between the worker and the
//     server. When the worker's end of the guard's pipe closes, for any reason, the guard ends all its descendants. An
//     isolated guard is the first process of a PID namespace, so no process of the server can outlive the guard.
//   - An isolated server has its own network namespace with nothing but loopback. The only way in is the socket broker,
//     a socket pair that the guard inherits from the worker: the guard connects inside the namespace and passes the
//     connected socket to the worker.
//   - A server listens on loopback at a port that the kernel chooses. It has a scratch HOME and an environment that
//     holds only the worker's settings for Ollama.
//   - The worker always reads the server's output: a full pipe would block the server.
//   - A server is ready when it has answered a request on the requested device. A listening socket proves nothing.
//   - Every request carries the same runner options (num_ctx above all): the server reloads the model when they change.
package ollama
