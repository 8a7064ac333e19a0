// Command inventory writes what is in a release: a software bill of materials (CycloneDX 1.5) and the licences of all modules
// that are linked into its programs. "make release" runs it once for each architecture.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
)

func main() {
	var o options
	flag.StringVar(&o.version, "version", "", "`VERSION` of fluxworker")
	flag.StringVar(&o.archive, "archive", "", "`FILE` that the bill describes")
	flag.StringVar(&o.sbom, "sbom", "", "`FILE` for the bill")
	flag.StringVar(&o.licences, "licences", "", "`FILE` for the licences")
	flag.Parse()
	o.programs = flag.Args()
	if err := o.run(); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

// options has the files of one call. Either the licences or the bill is written: the licences are in the archive, and the
// bill has the checksum of the archive.
type options struct {
	version, archive, sbom, licences string
	programs                         []string
}

func (o options) run() error {
	if len(o.programs) == 0 || (o.licences == "") == (o.sbom == "") || (o.sbom != "") != (o.archive != "") {
		return errors.New("usage: inventory -licences FILE PROGRAM… or inventory -version VERSION -archive FILE -sbom FILE PROGRAM…")
	}
	modules, err := linked(o.programs)
	if err != nil {
		return err
	}
	if err := findLicences(modules); err != nil {
		return err
	}
	if o.licences != "" {
		return os.WriteFile(o.licences, licenceText(modules), 0o644)
	}
	bill, err := newBill(o.version, o.archive, modules)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	if err := enc.Encode(bill); err != nil {
		return err
	}
	return os.WriteFile(o.sbom, text.Bytes(), 0o644)
}
