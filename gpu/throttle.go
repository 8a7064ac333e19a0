package gpu

// throttleNames are NVML's reasons for reduced clocks by bit, with nvidia-smi's names. Bit 0, idle, is omitted: it does
// not mean that anything reduces the clocks.
var throttleNames = map[int]string{
	1:  "applications_clocks_setting",
	2:  "sw_power_cap",
	3:  "hw_slowdown",
	4:  "sync_boost",
	5:  "sw_thermal_slowdown",
	6:  "hw_thermal_slowdown",
	7:  "hw_power_brake_slowdown",
	8:  "display_clock_setting",
	9:  "board_limit",
	10: "reliability",
}

// ThrottleNames returns the names of the bits in NVML's mask of clock reasons, which nvidia-smi prints, too, from the
// lowest bit up. It omits unknown bits.
func ThrottleNames(mask uint64) []string {
	var names []string
	for bit := range 64 {
		if name, known := throttleNames[bit]; known && mask&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return names
}
