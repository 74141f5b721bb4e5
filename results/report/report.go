// Package report shows a run's results to people: a self-contained page (HTML), the table at the end of a run
// (Terminal) and a summary for pull requests (Markdown). Each is a pure function of results.Results: the same results
// give the same bytes. Texts that guests had a hand in are cleaned and escaped.
package report
