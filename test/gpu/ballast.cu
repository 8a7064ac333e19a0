// ballast LEAVE_MIB: takes memory of the first visible GPU until no more than LEAVE_MIB of it are free, says so, and holds the
// memory until its standard input ends.
#include <cstdio>
#include <cstdlib>

#include <cuda_runtime.h>

static void check(cudaError_t e, const char *what) {
	if (e != cudaSuccess) {
		fprintf(stderr, "ballast: %s: %s\n", what, cudaGetErrorString(e));
		exit(1);
	}
}

int main(int argc, char **argv) {
	if (argc != 2) {
		fprintf(stderr, "usage: ballast LEAVE_MIB\n");
		return 2;
	}
	const size_t mib = 1 << 20, leave = strtoull(argv[1], nullptr, 10) * mib;
	size_t free = 0, total = 0, held = 0;
	for (size_t part = 1024 * mib; part >= 2 * mib;) { // the driver gives memory in pieces of 2 MiB
		check(cudaMemGetInfo(&free, &total), "ask for the free memory");
		void *memory;
		if (free < leave + part || cudaMalloc(&memory, part) != cudaSuccess) {
			cudaGetLastError(); // the next part is smaller
			part /= 2;
			continue;
		}
		held += part;
	}
	check(cudaMemGetInfo(&free, &total), "ask for the free memory");
	printf("holding %zu MiB, %zu MiB are free\n", held / mib, free / mib);
	fflush(stdout);
	while (getchar() != EOF) {
	}
	return 0;
}
