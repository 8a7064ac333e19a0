package gpu

import (
	"fmt"
	"strings"
)

// node is a report in CUDA's view: cards, some of them divided into instances.
type node struct {
	source Source
	cards  []card
}

// card is a GPU with its MIG instances.
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
			// In a cgroup with a MIG instance only, the GPU itself may give no answer.
			n.cards = append(n.cards, card{Device: Device{Index: d.Index, UUID: d.Parent, Name: d.Name, PCIBus: d.PCIBus, MIGEnabled: true}})
			i = len(n.cards) - 1
			at[d.Parent] = i
		}
		n.cards[i].instances = append(n.cards[i].instances, d)
	}
	return n
}

// open returns the cards that this process can open, which are the cards that CUDA counts. A GPU without permission
// counts if one of its instances is accessible: in a cgroup with instances only, the GPU's own values are forbidden.
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

// mixed reports whether the accessible cards differ, so that CUDA may number them in another order.
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
		if c.divided() {
			return true
		}
	}
	return false
}

func (c card) divided() bool { return c.MIGEnabled || len(c.instances) > 0 }

// usable returns the usable devices of the card: itself or its instances. why describes unusable devices; it is empty
// if all are usable.
func (c card) usable() (ds []Device, why string) {
	if !c.divided() {
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
		case d.NoPermission: // an instance of another job
		case why != "":
			bad = append(bad, d.label()+": "+why)
		default:
			ds = append(ds, d)
		}
	}
	if len(ds) == 0 && len(bad) == 0 {
		return nil, c.label() + ": MIG is on, but no instance was reported"
	}
	return ds, strings.Join(bad, "; ")
}

// trouble returns why the device cannot be used, or "".
func (d Device) trouble() string {
	switch {
	case d.Health.Lost:
		return "lost: the GPU fell off the bus, and the node needs a reset"
	case d.NoPermission:
		return "it belongs to another job"
	case d.Err != "":
		return d.Err
	case d.Memory.Total == 0:
		return "the driver reports no memory size"
	}
	return ""
}

// label describes the device in messages.
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
