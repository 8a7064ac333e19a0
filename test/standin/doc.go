// Package standin tests the built program against a stand-in server (test/fakeollama): what no engine has a part in, such as
// kills of the worker, failing servers, full disks, other users, GPUs as a loaded NVML library shows them.
package standin
