// Package report opens reports in a real browser, Chromium: reports of runs of the built program against a stand-in server, and of
// outputs that a real run would take too long for, or that need GPUs. "make browser" gets what the tests need.
//
// check.mjs looks at the pages: html-validate at the HTML, axe-core at what hinders readers, and the browser at errors, requests,
// texts that touch each other, and scripts that run. REPORT_SCREENSHOTS names a folder for pictures of all pages.
package report
