package gpu

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// smiFields are the fields of nvidia-smi for a Report. memory.reserved exists since driver 510, MIG since 450.
var smiFields = []string{
	"index", "uuid", "name", "pci.bus_id", "memory.total", "memory.reserved", "memory.used", "memory.free", "compute_cap",
	"utilization.gpu", "power.draw", "temperature.gpu", "ecc.errors.uncorrected.volatile.total",
	"clocks_throttle_reasons.active", "mig.mode.current", "driver_version",
}

// smiCore are the fields that every version knows and every Device needs.
var smiCore = []string{"index", "uuid", "name", "memory.total", "memory.used", "memory.free"}

// parseSMI parses nvidia-smi's output for fields with --format=csv,noheader,nounits: one line per GPU, memory in MiB,
// power in watts. A value in brackets, such as [N/A], is unavailable; a value that reports a lost or forbidden GPU sets
// the Device's error. Any other malformed line is an error with the line number.
func parseSMI(out []byte, fields []string) (Report, error) {
	r := Report{Source: SourceNvidiaSMI}
	in := csv.NewReader(bytes.NewReader(out))
	in.TrimLeadingSpace = true
	in.LazyQuotes = true    // nvidia-smi prints names without quoting
	in.FieldsPerRecord = -1 // checked below, for an error that shows the line
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, fmt.Errorf("parse nvidia-smi: %w", err)
		}
		line, _ := in.FieldPos(0)
		if len(record) == 1 && strings.TrimSpace(record[0]) == "" {
			continue
		}
		if len(record) != len(fields) {
			return Report{}, fmt.Errorf("parse nvidia-smi: line %d: %d fields, want %d: %q", line, len(record), len(fields), clip(strings.Join(record, ",")))
		}
		row := smiRow{}
		for i, name := range fields {
			row[name] = strings.TrimSpace(record[i])
		}
		d, err := row.device(len(r.Devices))
		if err != nil {
			return Report{}, fmt.Errorf("parse nvidia-smi: line %d: %w", line, err)
		}
		if v := row["driver_version"]; v != "" && !absent(v) {
			r.Driver = v
		}
		r.Devices = append(r.Devices, d)
	}
	// nvidia-smi already sorts by index. The rules of CUDA_VISIBLE_DEVICES need this order.
	slices.SortStableFunc(r.Devices, func(a, b Device) int { return a.Index - b.Index })
	return r, nil
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 120)], "?") }

// smiRow is one line of the table: values by field.
type smiRow map[string]string

// device converts a row to a Device. nth is the row's position, which replaces the index that a lost GPU does not
// report.
func (row smiRow) device(nth int) (Device, error) {
	d := Device{Index: nth, Name: row.text("name"), PCIBus: row.text("pci.bus_id"), ComputeCapability: row.text("compute_cap"),
		UUID: row.text("uuid"), MIGEnabled: row.text("mig.mode.current") == "Enabled"}
	d.readTrouble(row)
	var errs []error
	if v := row["index"]; !absent(v) {
		index, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			errs = append(errs, fmt.Errorf("index: %q is not a number", clip(v)))
		}
		d.Index = int(index)
	}
	if d.UUID == "" && d.Err == "" || d.UUID != "" && !strings.HasPrefix(d.UUID, "GPU-") {
		errs = append(errs, fmt.Errorf("uuid: %q is not the UUID of a GPU", clip(row["uuid"])))
	}
	number := func(name string) (uint64, bool) {
		v, ok, err := row.number(name)
		if err != nil {
			errs = append(errs, err)
		}
		return v, ok
	}
	d.Memory = memoryMiB(number)
	if v, ok := number("utilization.gpu"); ok {
		d.Load.Utilisation = new(uint(v))
	}
	if v, ok := number("temperature.gpu"); ok {
		d.Load.Temperature = new(uint(v))
	}
	if v, ok := number("ecc.errors.uncorrected.volatile.total"); ok {
		d.Health.UncorrectedECC = v
	}
	if v := row.text("power.draw"); v != "" {
		watts, err := strconv.ParseFloat(v, 64)
		if err != nil || !(watts >= 0 && watts < 1e6) {
			errs = append(errs, fmt.Errorf("power.draw: %q is not a number of watts", clip(v)))
		} else {
			d.Load.PowerMW = new(uint64(math.Round(watts * 1000)))
		}
	}
	if v := row.text("clocks_throttle_reasons.active"); v != "" {
		mask, err := strconv.ParseUint(v, 0, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("clocks_throttle_reasons.active: %q is not a mask", clip(v)))
		}
		d.Health.Throttle = ThrottleNames(mask)
	}
	return d, errors.Join(errs...)
}

// memoryMiB converts the memory, which nvidia-smi prints in MiB, to bytes. A missing value of used or reserved is
// computed from the others. Before driver 510 used included the reserved part, so the computed reserved part is 0.
func memoryMiB(number func(name string) (uint64, bool)) Memory {
	const mib = 1 << 20
	rest := func(of uint64, parts ...uint64) uint64 {
		for _, p := range parts {
			of -= min(of, p)
		}
		return of
	}
	total, _ := number("memory.total")
	free, freeKnown := number("memory.free")
	used, usedKnown := number("memory.used")
	reserved, reservedKnown := number("memory.reserved")
	if freeKnown && !usedKnown {
		used = rest(total, reserved, free)
	} else if freeKnown && !reservedKnown {
		reserved = rest(total, used, free)
	}
	return Memory{Total: total * mib, Reserved: reserved * mib, Used: used * mib, Free: free * mib}
}

// text returns a value; "" if the driver does not provide it.
func (row smiRow) text(name string) string {
	if v := row[name]; !absent(v) {
		return v
	}
	return ""
}

// number returns a whole number; ok is false if the driver does not provide it.
func (row smiRow) number(name string) (v uint64, ok bool, err error) {
	s := row.text(name)
	if s == "" {
		return 0, false, nil
	}
	// 32 bits are enough for MiB, percent and error counts, and the conversion to bytes cannot overflow.
	if v, err = strconv.ParseUint(s, 10, 32); err != nil {
		return 0, false, fmt.Errorf("%s: %q is not a number", name, clip(s))
	}
	return v, true, nil
}

// absent reports whether a value means "not available": [N/A], [Not Supported], [Unknown Error] and similar. Some
// versions print N/A without brackets.
func absent(v string) bool {
	return strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]") || v == "N/A" || v == "Not Supported"
}

// readTrouble sets the state of the whole GPU. Any value may report that the GPU is lost. Only the memory shows that
// the GPU belongs to another job, because some other values need root on every GPU.
func (d *Device) readTrouble(row smiRow) {
	said := func(v, what string) bool { return absent(v) && strings.Contains(strings.ToLower(v), what) }
	reason := func(v string) string { return strings.Trim(v, "[]") }
	for _, v := range row {
		if said(v, "lost") {
			d.Health.Lost, d.Err = true, reason(v)
			return
		}
	}
	total := row["memory.total"]
	switch {
	case said(total, "permission") && !d.MIGEnabled: // the whole memory of a GPU in MIG mode may need root
		d.NoPermission, d.Err = true, reason(total)
	case said(row["temperature.gpu"], "reset"), said(total, "reset"): // "GPU requires reset" was observed as the temperature
		d.Err = "the GPU requires a reset"
	case d.MIGEnabled:
	case row.text("memory.total") == "", row.text("memory.free") == "":
		// Observed on cards that share the processor's memory; no plan is possible for such a card.
		d.Err = fmt.Sprintf("nvidia-smi reports no memory size: total %s, free %s", total, row["memory.free"])
	}
}
