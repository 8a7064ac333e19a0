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

// smiFields are the fields of nvidia-smi that a Report is made of. memory.reserved came with driver 510, MIG with 450.
var smiFields = []string{
	"index", "uuid", "name", "pci.bus_id", "memory.total", "memory.reserved", "memory.used", "memory.free", "compute_cap",
	"utilization.gpu", "power.draw", "temperature.gpu", "ecc.errors.uncorrected.volatile.total",
	"clocks_throttle_reasons.active", "mig.mode.current", "driver_version",
}

// smiCore are the fields that every version knows, and without which there is no Device.
var smiCore = []string{"index", "uuid", "name", "memory.total", "memory.used", "memory.free"}

// parseSMI reads what nvidia-smi prints for fields with --format=csv,noheader,nounits: one line for each GPU, memory in
// MiB, power in watts. A reading in brackets, such as [N/A], is one that the driver does not give; one that tells of a
// lost or forbidden GPU goes into the Device. Lines that are no such table are an error, with the line's number.
func parseSMI(out []byte, fields []string) (Report, error) {
	r := Report{Source: SourceNvidiaSMI}
	in := csv.NewReader(bytes.NewReader(out))
	in.TrimLeadingSpace = true
	in.LazyQuotes = true    // a name is printed as it is
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
	// It prints by index already; rules of CUDA_VISIBLE_DEVICES rest on that.
	slices.SortStableFunc(r.Devices, func(a, b Device) int { return a.Index - b.Index })
	return r, nil
}

func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 120)], "?") }

// smiRow is one line of the table: values by field.
type smiRow map[string]string

// device reads a line; nth is its place, which stands in for an index that a lost GPU does not give.
func (row smiRow) device(nth int) (Device, error) {
	d := Device{Index: nth, Name: row.text("name"), PCIBus: row.text("pci.bus_id"), ComputeCapability: row.text("compute_cap"),
		UUID: row.text("uuid"), MIGEnabled: row.text("mig.mode.current") == "Enabled"}
	d.readTrouble(row)
	var errs []error
	if v := row["index"]; !absent(v) {
		index, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			errs = append(errs, fmt.Errorf("index: %q is no number", clip(v)))
		}
		d.Index = int(index)
	}
	if d.UUID == "" && d.Err == "" || d.UUID != "" && !strings.HasPrefix(d.UUID, "GPU-") {
		errs = append(errs, fmt.Errorf("uuid: %q is no GPU's", clip(row["uuid"])))
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
			errs = append(errs, fmt.Errorf("power.draw: %q is no number of watts", clip(v)))
		} else {
			d.Load.PowerMW = new(uint64(math.Round(watts * 1000)))
		}
	}
	if v := row.text("clocks_throttle_reasons.active"); v != "" {
		mask, err := strconv.ParseUint(v, 0, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("clocks_throttle_reasons.active: %q is no mask", clip(v)))
		}
		d.Health.Throttle = ThrottleNames(mask)
	}
	return d, errors.Join(errs...)
}

// memoryMiB reads the memory, which nvidia-smi prints in MiB, into bytes. Of used and reserved, one that is not given
// is what the others leave. Before driver 510 the reserved part was in used, so that nothing is left for it.
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

// text is a value, empty where the driver does not give it.
func (row smiRow) text(name string) string {
	if v := row[name]; !absent(v) {
		return v
	}
	return ""
}

// number is a whole number; ok is false where the driver does not give it.
func (row smiRow) number(name string) (v uint64, ok bool, err error) {
	s := row.text(name)
	if s == "" {
		return 0, false, nil
	}
	// 32 bits: MiB, percent and error counts are small, and a sum of them as bytes cannot overflow.
	if v, err = strconv.ParseUint(s, 10, 32); err != nil {
		return 0, false, fmt.Errorf("%s: %q is no number", name, clip(s))
	}
	return v, true, nil
}

// absent tells whether a value says that there is none: [N/A], [Not Supported], [Unknown Error] and the like. Some
// versions print N/A without brackets.
func absent(v string) bool {
	return strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]") || v == "N/A" || v == "Not Supported"
}

// readTrouble sets what the values tell of the GPU as a whole. That it is lost, any of them may say; that it is
// another job's, only its memory does, since some readings need root on every GPU.
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
	case said(total, "permission") && !d.MIGEnabled: // of a GPU in MIG mode, the memory as a whole may need root
		d.NoPermission, d.Err = true, reason(total)
	case said(row["temperature.gpu"], "reset"), said(total, "reset"): // "GPU requires reset" was seen for the temperature
		d.Err = "the GPU requires a reset"
	case d.MIGEnabled:
	case row.text("memory.total") == "", row.text("memory.free") == "":
		// Seen on cards that share the processor's memory; nothing can be planned for such a card.
		d.Err = fmt.Sprintf("nvidia-smi does not say how much memory it has: total %s, free %s", total, row["memory.free"])
	}
}
