package gpu

import (
	"fmt"
	"strings"
)

// node is a report as CUDA sees it: cards, some of them cut into instances.
type node struct {
	source Source
	cards  []card
}

// card is one GPU with its MIG instances.
type card struct {
	Device
	instances []Device
}

func newNode(r Report) node {
	n := node{source: r.Source}
	at := map[string]int{}
	for _, d := range r.Devices {
		if !d.MIG() {
			n.cards = append(n.cards, card{Device: d})
			if d.UUID != "" {
				at[d.UUID] = len(n.cards) - 1
			}
			continue
		}
		i, ok := at[d.Parent]
		if !ok {
			// In a cgroup that holds a MIG instance alone, the GPU itself may not have answered.
			n.cards = append(n.cards, card{Device: Device{Index: d.Index, UUID: d.Parent, Name: d.Name, PCIBus: d.PCIBus, MIGEnabled: true}})
			i = len(n.cards) - 1
			at[d.Parent] = i
		}
		n.cards[i].instances = append(n.cards[i].instances, d)
	}
	return n
}

// open returns the cards that this process can open, which are those that CUDA counts. A GPU that refuses itself but
// gives an instance is one of them: in a cgroup that holds only instances, the GPU's own readings are refused.
func (n node) open() []card {
	var open []card
	for _, c := range n.cards {
		ok := !c.NoPermission
		for _, d := range c.instances {
			ok = ok || !d.NoPermission
		}
		if ok {
			open = append(open, c)
		}
	}
	return open
}

// mixed tells whether the cards that can be opened differ, and so may be numbered in another order by CUDA.
func (n node) mixed() bool {
	open := n.open()
	for _, c := range open {
		if c.Name != open[0].Name {
			return true
		}
	}
	return false
}

func (n node) hasMIG() bool {
	for _, c := range n.cards {
		if c.cut() {
			return true
		}
	}
	return false
}

func (c card) cut() bool { return c.MIGEnabled || len(c.instances) > 0 }

// usable returns what of the card can be used, itself or its instances; why names what cannot be, and is empty where
// all can.
func (c card) usable() (ds []Device, why string) {
	if !c.cut() {
		if why := c.trouble(); why != "" {
			return nil, c.label() + ": " + why
		}
		return []Device{c.Device}, ""
	}
	if c.Health.Lost {
		return nil, c.label() + ": " + c.trouble()
	}
	var bad []string
	for _, d := range c.instances {
		switch why := d.trouble(); {
		case d.NoPermission: // another job's; nothing that this job was given
		case why != "":
			bad = append(bad, d.label()+": "+why)
		default:
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 && len(bad) == 0 {
		return nil, c.label() + ": MIG is on, and no instance of it was reported"
	}
	return ds, strings.Join(bad, "; ")
}

// trouble says why the device cannot be used; it is empty where it can.
func (d Device) trouble() string {
	switch {
	case d.Health.Lost:
		return "lost: it fell off the bus, and the node needs a reset"
	case d.NoPermission:
		return "it belongs to another job"
	case d.Err != "":
		return d.Err
	case d.Memory.Total == 0:
		return "the driver does not say how much memory it has"
	}
	return ""
}

// label names the device for a person.
func (d Device) label() string {
	name := d.Name
	if name == "" {
		name = "unknown"
	}
	what := "GPU"
	if d.MIG() {
		what = "MIG instance of GPU"
	}
	return strings.TrimSuffix(fmt.Sprintf("%s %d (%s, %s", what, d.Index, name, d.UUID), ", ") + ")"
}
