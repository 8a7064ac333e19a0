package schema

import (
	"regexp/syntax"
	"slices"
)

// nullable reports whether an expression without anchors matches the empty text.
func nullable(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpStar, syntax.OpQuest:
		return true
	case syntax.OpRepeat:
		return re.Min == 0 || nullable(re.Sub[0])
	case syntax.OpCapture, syntax.OpPlus:
		return nullable(re.Sub[0])
	case syntax.OpConcat:
		return allNullable(re.Sub)
	case syntax.OpAlternate:
		return slices.ContainsFunc(re.Sub, nullable)
	}
	return false
}

func allNullable(sequence []*syntax.Regexp) bool {
	return !slices.ContainsFunc(sequence, func(re *syntax.Regexp) bool { return !nullable(re) })
}

// nonEmpty returns an expression that matches what re matches, except for the empty text; nil if nothing remains.
func (d *dialect) nonEmpty(re *syntax.Regexp) *syntax.Regexp {
	if d.size++; d.size > maxDialect {
		d.fail(errTooLarge)
		return nil
	}
	if !nullable(re) {
		return re
	}
	switch re.Op {
	case syntax.OpCapture, syntax.OpQuest:
		return d.nonEmpty(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus:
		return repeated(d.nonEmpty(re.Sub[0]), 1, -1)
	case syntax.OpRepeat:
		if re.Max == 0 {
			return nil
		}
		return repeated(d.nonEmpty(re.Sub[0]), 1, re.Max)
	case syntax.OpAlternate:
		all := &syntax.Regexp{Op: syntax.OpAlternate}
		for _, sub := range re.Sub {
			if rest := d.nonEmpty(sub); rest != nil {
				all.Sub = append(all.Sub, rest)
			}
		}
		return alternatives(all)
	case syntax.OpConcat: // the first part that is not empty, and all parts behind it
		all := &syntax.Regexp{Op: syntax.OpAlternate}
		for i, sub := range re.Sub {
			if first := d.nonEmpty(sub); first != nil {
				all.Sub = append(all.Sub, &syntax.Regexp{Op: syntax.OpConcat, Sub: slices.Concat([]*syntax.Regexp{first}, re.Sub[i+1:])})
			}
		}
		return alternatives(all)
	}
	return nil // OpEmptyMatch
}

func repeated(re *syntax.Regexp, least, most int) *syntax.Regexp {
	if re == nil {
		return nil
	}
	return &syntax.Regexp{Op: syntax.OpRepeat, Min: least, Max: most, Sub: []*syntax.Regexp{re}}
}

func alternatives(all *syntax.Regexp) *syntax.Regexp {
	if len(all.Sub) == 0 {
		return nil
	}
	return all
}
