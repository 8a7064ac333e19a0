// Package prompt turns the input into rows: it opens the file, splits it into lines, decodes each into the request that
// is to be asked, and gives it an identity that holds across runs.
//
// What the rest of the program builds on:
//
//   - Every line that is neither blank nor a comment is exactly one Row, in the order of the input. A row that cannot be
//     asked carries a Reject and is handed out like any other; only I/O ends the reading early.
//   - A Row shares no memory with the Reader or with another row. A Reader itself is for one goroutine.
//   - No two rows of one input have the same name in their Key, and equal inputs give equal keys, whichever line a row is
//     on, however the lines end and however the file is compressed. (Names are 64-bit hashes: among ten million rows the
//     chance that two of them collide by accident is about three in a million.)
//   - No more than one row is in memory at a time, and of the rows before it some sixteen bytes each.
//   - A row's field is used, refused by name, or listed in ignored as one that cannot change the answer. None is dropped
//     silently.
//   - Nothing is fetched for a row, and no file is read but images below the one folder that was allowed. Their content
//     is a part of the request, and so of the key. A file that the disk does not give ends the reading: it is not the
//     row's fault.
//   - A Reject's message never quotes a prompt, a message's content or a whole row, so that it can be logged.
package prompt
