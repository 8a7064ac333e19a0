package main

import (
	"fmt"
	"os"
	"strings"
)

// fakeSMI stands in for nvidia-smi, which fluxworker asks where it holds no NVML probe. FAKE_GPUS has a GPU for each
// semicolon: "NAME,TOTAL_MIB,USED_MIB". Without it there is no driver, and that is how nvidia-smi says so.
func fakeSMI() {
	gpus := os.Getenv("FAKE_GPUS")
	if gpus == "" {
		fmt.Println("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.")
		os.Exit(9)
	}
	query, ok := strings.CutPrefix(os.Args[1], "--query-gpu=")
	if !ok {
		os.Exit(2)
	}
	for i, g := range strings.Split(gpus, ";") {
		card := strings.Split(g, ",")
		var total, used int
		fmt.Sscan(card[1]+" "+card[2], &total, &used)
		known := map[string]string{
			"index": fmt.Sprint(i), "uuid": fmt.Sprintf("GPU-%d", i), "name": card[0], "driver_version": "550.54.15",
			"memory.total": fmt.Sprint(total), "memory.reserved": "500", "memory.used": fmt.Sprint(used),
			"memory.free": fmt.Sprint(total - used - 500), "utilization.gpu": "50", "compute_cap": "8.0",
		}
		var cells []string
		for _, field := range strings.Split(query, ",") {
			value, ok := known[field]
			if !ok {
				value = "[N/A]"
			}
			cells = append(cells, value)
		}
		fmt.Println(strings.Join(cells, ", "))
	}
}
