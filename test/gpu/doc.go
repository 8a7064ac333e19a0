// Package gpu tests what only a real GPU shows: the numbers of the driver, the memory that a server really takes, isolation, a
// load that finds the card full, and the rate of rows by the number of slots. "make gpu-test" builds the CUDA backends of both
// pinned engines for the card of the machine (build.sh), and runs the tests.
//
// The models are synthetic: they have the shape of published models and random weights, so nothing comes from a network. A
// second process, the ballast, takes memory of the card, so that plans fill the rest of it on every card.
//
// Without a GPU two things run: the synthetic models, reduced, answer rows on the CPU and are planned in full, and TestRehearsal
// takes the same steps as TestGPU with GPUs that seem to be there (fakenvml, front).
package gpu
