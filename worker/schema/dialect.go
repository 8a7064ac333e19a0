package schema

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
)

// The grammars of both generations read a small part of the regular expressions: characters, classes, groups, | and
// counts. They compare the pattern with the text of the JSON string, in which a quotation mark is \" and a line feed is
// \n. They must start with ^ and end with $, know no \d, \w or \s, and a quantifier behind an escape counts for the
// characters before, too. In the grammar of Ollama 0.24 a pattern beyond that ends the server.

// maxDialect limits the length of a rewritten pattern in bytes.
const maxDialect = 16 << 10

var (
	errTooLarge  = errors.New("alternatives that are too many when the pattern is written for the grammar of the server; simplify the pattern")
	errNoGrammar = errors.New(`\b, \B or an anchor (^, $) in its middle, which the grammars of the servers lack; write the pattern without it, or remove the pattern`)
	errNoMatch   = errors.New("no string that matches it; correct the pattern, or remove it")
)

// forGrammar returns a pattern that a server's grammar holds: it matches exactly the JSON forms, without the quotation
// marks, of the strings that pattern matches.
func forGrammar(re *syntax.Regexp) (string, error) {
	branches, err := anchored(re)
	if err != nil {
		return "", err
	}
	if len(branches) == 0 {
		return "", errNoMatch
	}
	anything := &syntax.Regexp{Op: syntax.OpStar, Sub: []*syntax.Regexp{{Op: syntax.OpAnyChar}}}
	all := &syntax.Regexp{Op: syntax.OpAlternate}
	for _, b := range branches {
		body := b.body
		if !b.begins {
			body = append([]*syntax.Regexp{anything}, body...)
		}
		if !b.ends {
			body = append(slices.Clone(body), anything)
		}
		all.Sub = append(all.Sub, &syntax.Regexp{Op: syntax.OpConcat, Sub: body})
	}
	if len(all.Sub) == 1 {
		all = all.Sub[0]
	}
	var d dialect
	text := d.print(all, inSequence)
	if d.err != nil {
		return "", d.err
	}
	return "^" + text + "$", nil
}

// branch is an alternative of a pattern. It begins or ends with an anchor, and its body has no anchors.
type branch struct {
	begins, ends bool
	body         []*syntax.Regexp // a sequence
}

// maxBranches limits the alternatives that anchors inside groups make.
const maxBranches = 32

// anchored splits a pattern so that no anchor is inside a body. It returns no branch if nothing can match.
func anchored(re *syntax.Regexp) ([]branch, error) {
	if !hasAnchor(re) {
		return []branch{{body: []*syntax.Regexp{re}}}, nil
	}
	switch re.Op {
	case syntax.OpBeginText:
		return []branch{{begins: true}}, nil
	case syntax.OpEndText:
		return []branch{{ends: true}}, nil
	case syntax.OpCapture:
		return anchored(re.Sub[0])
	case syntax.OpQuest:
		branches, err := anchored(re.Sub[0])
		return append(branches, branch{}), err
	case syntax.OpAlternate:
		var all []branch
		for _, sub := range re.Sub {
			branches, err := anchored(sub)
			if err != nil {
				return nil, err
			}
			all = append(all, branches...)
		}
		return all, nil
	case syntax.OpConcat:
		all := []branch{{}}
		for _, sub := range re.Sub {
			branches, err := anchored(sub)
			if err != nil {
				return nil, err
			}
			if all = follow(all, branches); len(all) > maxBranches {
				return nil, errTooLarge
			}
		}
		return all, nil
	}
	return nil, errNoGrammar
}

// follow returns the branches of one pattern behind another, without the branches that match nothing.
func follow(first, second []branch) []branch {
	var all []branch
	for _, a := range first {
		for _, b := range second {
			ahead, behind := a.body, b.body
			if a.ends { // only the empty text follows the end
				if !allNullable(behind) {
					continue
				}
				behind = nil
			}
			if b.begins {
				if !allNullable(ahead) {
					continue
				}
				ahead = nil
			}
			all = append(all, branch{a.begins || b.begins, a.ends || b.ends, slices.Concat(ahead, behind)})
		}
	}
	return all
}

func hasAnchor(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	return slices.ContainsFunc(re.Sub, hasAnchor)
}

// place says what surrounds a printed expression.
type place int

const (
	alone      place = iota // alternatives need no group
	inSequence              // alternatives need a group
	quantified              // all but a class needs a group
)

// dialect prints expressions without anchors.
type dialect struct {
	size int
	err  error
}

func (d *dialect) fail(err error) string {
	if d.err == nil {
		d.err = err
	}
	return ""
}

func (d *dialect) print(re *syntax.Regexp, in place) string {
	if d.size++; d.size > maxDialect || d.err != nil {
		return d.fail(errTooLarge)
	}
	var text string
	switch re.Op {
	case syntax.OpEmptyMatch:
		return ""
	case syntax.OpCapture:
		return d.print(re.Sub[0], in)
	case syntax.OpLiteral:
		return d.literal(re, in)
	case syntax.OpCharClass:
		return d.class(re.Rune, in)
	case syntax.OpAnyChar:
		return d.class([]rune{0, maxRune}, in)
	case syntax.OpAnyCharNotNL:
		return d.class([]rune{0, '\n' - 1, '\n' + 1, maxRune}, in)
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		text = d.repeat(re)
	case syntax.OpConcat:
		parts := withoutEmpty(re.Sub)
		if len(parts) == 1 {
			return d.print(parts[0], in)
		}
		var b strings.Builder
		for _, sub := range parts {
			b.WriteString(d.print(sub, inSequence))
		}
		text = b.String()
	case syntax.OpAlternate:
		return d.alternate(re, in)
	default:
		return d.fail(errNoMatch) // OpNoMatch, such as [^\s\S]
	}
	if d.size += len(text); d.size > maxDialect {
		return d.fail(errTooLarge)
	}
	if in == quantified && text != "" {
		return "(" + text + ")"
	}
	return text
}

func withoutEmpty(subs []*syntax.Regexp) []*syntax.Regexp {
	return slices.DeleteFunc(slices.Clone(subs), func(re *syntax.Regexp) bool { return re.Op == syntax.OpEmptyMatch })
}

// alternate prints alternatives. An empty alternative makes the others optional: the grammars take no empty one.
func (d *dialect) alternate(re *syntax.Regexp, in place) string {
	var texts []string
	optional := false
	for _, sub := range re.Sub {
		text := d.print(sub, alone)
		optional = optional || text == ""
		if text != "" && !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	text := strings.Join(texts, "|")
	switch {
	case text == "":
		return ""
	case optional && in == quantified:
		return "((" + text + ")?)"
	case optional:
		return "(" + text + ")?"
	case in == alone:
		return text
	}
	return "(" + text + ")"
}

// repeat prints a quantifier. The grammars loop without end if what is repeated can be empty.
func (d *dialect) repeat(re *syntax.Regexp) string {
	least, most := 0, -1
	switch re.Op {
	case syntax.OpPlus:
		least = 1
	case syntax.OpQuest:
		most = 1
	case syntax.OpRepeat:
		least, most = re.Min, re.Max
	}
	sub := re.Sub[0]
	if nullable(sub) {
		least, sub = 0, d.nonEmpty(sub)
	}
	atom := ""
	if sub != nil {
		atom = d.print(sub, quantified)
	}
	switch {
	case atom == "" || most == 0:
		return ""
	case least == 1 && most == 1:
		return atom
	case least == 0 && most == 1:
		return atom + "?"
	case least == 0 && most < 0:
		return atom + "*"
	case least == 1 && most < 0:
		return atom + "+"
	case most < 0:
		return fmt.Sprintf("%s{%d}%s*", atom, least, atom)
	case least == most:
		return fmt.Sprintf("%s{%d}", atom, least)
	}
	return fmt.Sprintf("%s{%d,%d}", atom, least, most)
}
