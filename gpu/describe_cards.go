package gpu

import (
	"fmt"
	"strings"
)

// knownCard is a card with the driver's figures.
type knownCard struct {
	name        string // the user's name for the card, without the size
	sizeGB      int    // nominal size
	totalMiB    uint64 // total memory from NVML
	reservedMiB uint64 // highest observed reserved memory; 0 if unknown
	capability  string // compute capability
}

// knownCards holds the totals that nvidia-smi prints (memory.total with drivers from 510; older drivers print some
// hundred MiB less, because they subtract the reserved part). With ECC, cards with GDDR memory lose 1/16; data centre
// cards have ECC on by default, workstation cards off. The comment of each row is its source.
var knownCards = []knownCard{
	// Data centre.
	{"A100", 80, 81920, 834, "8.0"},       // nvidia-smi -q logs of SXM4 and PCIe cards, reserved 557 to 834
	{"A100", 64, 65536, 0, "8.0"},         // nvidia-smi of the custom A100 of Leonardo
	{"A100", 40, 40960, 620, "8.0"},       // nvidia-smi -q log of an SXM4 card
	{"A30", 24, 24576, 316, "8.0"},        // nvidia-smi -q log
	{"A40", 48, 46068, 685, "8.6"},        // nvidia-smi -q logs of ECC cards of 48 GB, reserved 450 to 685
	{"A10", 24, 23028, 526, "8.6"},        // nvidia-smi -q logs, reserved 304 to 526
	{"A10G", 24, 23028, 526, "8.6"},       // the same board at AWS
	{"A16", 16, 15356, 0, "8.6"},          // nvidia-smi, one of its four GPUs
	{"A2", 16, 15356, 0, "8.6"},           // nvidia-smi
	{"L40S", 48, 46068, 685, "8.9"},       // nvidia-smi -q logs, ECC on
	{"L40", 48, 46068, 685, "8.9"},        // as L40S
	{"L4", 24, 23034, 556, "8.9"},         // nvidia-smi -q log
	{"H100", 80, 81559, 551, "9.0"},       // nvidia-smi -q logs of HBM3 and PCIe cards, reserved 328 to 551
	{"H100NVL", 94, 95830, 0, "9.0"},      // nvidia-smi
	{"H200", 141, 143771, 700, "9.0"},     // nvidia-smi -q log
	{"H20", 96, 97871, 0, "9.0"},          // nvidia-smi
	{"GH200", 96, 97871, 0, "9.0"},        // nvidia-smi, HBM3 alone
	{"B200", 180, 183359, 0, "10.0"},      // nvidia-smi
	{"RTXPRO6000", 96, 97887, 0, "12.0"},  // nvidia-smi, Blackwell
	{"V100", 32, 32768, 403, "7.0"},       // nvidia-smi, with 32365 free on an idle card
	{"V100", 16, 16384, 240, "7.0"},       // nvidia-smi; reserved from a -q log of a 16384 MiB card
	{"P100", 16, 16384, 0, "6.0"},         // nvidia-smi
	{"P40", 24, 24576, 0, "6.1"},          // nvidia-smi
	{"T4", 16, 15360, 393, "7.5"},         // nvidia-smi -q log, ECC on
	{"RTXA6000", 48, 49140, 500, "8.6"},   // nvidia-smi -q log, ECC off
	{"RTX6000Ada", 48, 49140, 500, "8.9"}, // as RTXA6000
	{"RTXA5000", 24, 24564, 0, "8.6"},     // nvidia-smi
	{"RTXA4000", 16, 16376, 0, "8.6"},     // nvidia-smi
	{"RTX8000", 48, 49152, 0, "7.5"},      // nominal; ECC off
	{"RTX6000", 24, 24576, 0, "7.5"},      // nominal; ECC off
	{"TITANRTX", 24, 24576, 0, "7.5"},     // nominal
	{"RTX5090", 32, 32607, 0, "12.0"},     // nvidia-smi
	{"RTX4090", 24, 24564, 482, "8.9"},    // nvidia-smi; CUDA gives 24082 of it
	{"RTX4080", 16, 16376, 0, "8.9"},      // nvidia-smi
	{"RTX4060Ti", 16, 16380, 303, "8.9"},  // nvidia-smi -q log
	{"RTX4060", 8, 8188, 0, "8.9"},        // nvidia-smi
	{"RTX3090", 24, 24576, 0, "8.6"},      // nvidia-smi
	{"RTX3090Ti", 24, 24564, 0, "8.6"},    // nvidia-smi
	{"RTX3080", 10, 10240, 0, "8.6"},      // nvidia-smi
	{"RTX3070", 8, 8192, 0, "8.6"},        // nominal
	{"RTX3060", 12, 12288, 0, "8.6"},      // nvidia-smi
	{"RTX2080Ti", 11, 11264, 0, "7.5"},    // nvidia-smi
	{"GTX1080Ti", 11, 11264, 0, "6.1"},    // nvidia-smi
}

// memory returns the memory of an idle card. If the reserved part is unknown, it is estimated as 2.5 % of the total,
// about the maximum among the known cards (T4, 2.6 %).
func (k knownCard) memory() Memory {
	reserved := k.reservedMiB
	if reserved == 0 {
		reserved = k.totalMiB / 40
	}
	const mib = 1 << 20
	return Memory{Total: k.totalMiB * mib, Reserved: reserved * mib, Free: (k.totalMiB - reserved) * mib}
}

// supportsMIG reports whether the card has MIG: the large chips of Ampere and later have it.
func (k knownCard) supportsMIG() bool {
	switch k.capability {
	case "8.0", "9.0", "10.0":
		return true
	}
	return k.key() == "RTXPRO6000"
}

// key returns the name in the form that findCard compares.
func (k knownCard) key() string { return strings.ToUpper(k.name) }

// short returns the user's name for the card.
func (k knownCard) short() string { return fmt.Sprintf("%s-%dGB", k.name, k.sizeGB) }
