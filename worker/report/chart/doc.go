// Package chart draws the pictures of a report as SVG: lines over time, histograms, and a time line of attempts.
//
// Invariants: colours, fonts and widths of lines come from the classes of the page's style sheet, so that one picture suits
// light, dark and paper; each picture has a title and a description for readers who do not see it; text is text; labels of an
// axis never touch each other.
package chart
