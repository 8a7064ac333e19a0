package prompt

import (
	"fmt"
	"strconv"
	"strings"
)

// ImpliedPrefix is the start of the custom_id of a row that has none: ImpliedName.
const ImpliedPrefix = "row-"

// names assigns names and keys to rows and remembers the names in use.
type names struct {
	hasher *hasher
	// ids holds the line number of each custom_id, by the hash of the custom_id.
	ids hashCounter
	// contents counts equal contents of rows that have no other name.
	contents hashCounter
	named    bool // true if some row has a custom_id
	// unnamed holds the lines of rows without custom_id; their implied names are in use.
	unnamed lineSet
}

func newNames(h *hasher) names {
	return names{hasher: h}
}

// assign sets the CustomID and Key of row, and its Reject if the name is in use already. id is the custom_id; it is
// empty if the row has none or it is unreadable. If wanted is false, only the name's half of the Key is set.
func (n *names) assign(row *Row, id string, l *line, wanted bool) {
	var name [8]byte
	if id == "" {
		name = n.nameByContent(row, l)
	} else {
		name = n.nameByID(row, id, l)
	}
	copy(row.Key[:8], name[:])
	if !wanted {
		return
	}
	var request digest
	if row.Reject != nil {
		row.Request = Request{}
		sum := n.contentOf(l)
		n.hasher.start(domainRejected)
		n.hasher.raw(sum[:])
		request = n.hasher.sum()
	} else {
		request = n.hasher.request(&row.Request)
	}
	half := request.half()
	copy(row.Key[8:], half[:])
}

func (n *names) nameByContent(row *Row, l *line) [8]byte {
	row.CustomID = ImpliedName(l.number)
	n.unnamed.add(l.number)
	if n.named {
		if first := n.ids.get(n.idSum(row.CustomID).number()); first != 0 {
			row.Reject = duplicate("the row has no custom_id, and its default name %s is the custom_id of line %d",
				row.CustomID, first)
		}
	}
	sum := n.contentOf(l)
	before := n.repeated(sum)
	n.hasher.start(domainUnnamed)
	n.hasher.uint64(before)
	n.hasher.raw(sum[:])
	return n.hasher.sum().half()
}

func (n *names) nameByID(row *Row, id string, l *line) [8]byte {
	row.CustomID = id
	sum := n.idSum(id)
	if first := n.ids.get(sum.number()); first != 0 {
		row.Reject = duplicate("custom_id %s was already used on line %d", quote(id), first)
		return n.nameOfDuplicate(id, l)
	}
	n.ids.set(sum.number(), l.number)
	n.named = true
	if first := ImpliedLine(id); first != 0 && n.unnamed.has(first) {
		row.Reject = duplicate("custom_id %s is the default name of the row on line %d, which has no custom_id", quote(id), first)
		return n.nameOfDuplicate(id, l)
	}
	return sum.half()
}

// nameOfDuplicate returns a name that differs from the name of the first row with this custom_id and from the names of
// its other duplicates.
func (n *names) nameOfDuplicate(id string, l *line) [8]byte {
	content := n.contentOf(l)
	n.hasher.start(domainDuplicate)
	n.hasher.text(id)
	n.hasher.raw(content[:])
	sum := n.hasher.sum()
	before := n.repeated(sum)
	n.hasher.start(domainDuplicate)
	n.hasher.uint64(before)
	n.hasher.raw(sum[:])
	return n.hasher.sum().half()
}

// repeated returns how often sum came before, and counts it.
func (n *names) repeated(sum digest) uint64 {
	before := n.contents.get(sum.number())
	n.contents.set(sum.number(), int64(before)+1)
	return uint64(before)
}

func (n *names) idSum(id string) digest {
	n.hasher.start(domainCustomID)
	n.hasher.text(id)
	return n.hasher.sum()
}

func (n *names) contentOf(l *line) digest {
	switch {
	case l.tooLong:
		return l.sum
	case l.cells != nil: // quotes and line ends do not change a record
		return n.hasher.cells(l.cells)
	}
	return n.hasher.content(l.text)
}

func duplicate(format string, args ...any) *Reject {
	return &Reject{
		Code:    CodeDuplicateCustomID,
		Param:   fieldCustomID.String(),
		Message: fmt.Sprintf(format, args...) + "; ids must be unique (use --dedupe first)",
	}
}

// ImpliedName returns the custom_id of a row without custom_id on the given line of the input.
func ImpliedName(line int64) string { return ImpliedPrefix + strconv.FormatInt(line, 10) }

// ImpliedLine returns the line whose row has the implied name id, or 0 if id is not an implied name. It is the inverse of
// ImpliedName.
func ImpliedLine(id string) int64 {
	digits, ok := strings.CutPrefix(id, ImpliedPrefix)
	if !ok {
		return 0
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != digits {
		return 0
	}
	return number
}

// lineSet is a set of line numbers, one bit per line.
type lineSet []uint64

func (s *lineSet) add(number int64) {
	word := int(number / 64)
	for len(*s) <= word {
		*s = append(*s, 0)
	}
	(*s)[word] |= 1 << (number % 64)
}

func (s lineSet) has(number int64) bool {
	word := number / 64
	return word < int64(len(s)) && s[word]&(1<<(number%64)) != 0
}
