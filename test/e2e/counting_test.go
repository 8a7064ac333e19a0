package e2e

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"sync"
	"syscall"
)

// countingCommand makes the test binary a real Ollama with a counter in front of it: "counting FILE OLLAMA serve".
const countingCommand = "counting"

// serveCounting starts the real server, puts a proxy before it that the worker takes for the server, and keeps in FILE
// how many answers were asked for at once at most.
func serveCounting(args []string) int {
	file, argv := args[0], args[1:]
	server := exec.Command(argv[0], argv[1:]...)
	output, err := server.StderrPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.Process.Signal(syscall.SIGTERM)
	}()

	address := regexp.MustCompile(`Listening on (127\.0\.0\.1:\d+)`)
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line := lines.Text()
		if m := address.FindStringSubmatch(line); m != nil {
			own, err := countInFront(m[1], file)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			line = address.ReplaceAllLiteralString(line, "Listening on "+own)
		}
		fmt.Fprintln(os.Stderr, line)
	}
	server.Wait()
	return server.ProcessState.ExitCode()
}

// countInFront listens on a port of its own and passes everything on to the server.
func countInFront(server, file string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server})
	var mu sync.Mutex
	inFlight, peak := 0, 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/chat" {
			mu.Lock()
			if inFlight++; inFlight > peak {
				peak = inFlight
				os.WriteFile(file, []byte(strconv.Itoa(peak)), 0o600)
			}
			mu.Unlock()
			defer func() { mu.Lock(); inFlight--; mu.Unlock() }()
		}
		proxy.ServeHTTP(w, r)
	})
	go http.Serve(l, handler)
	return l.Addr().String(), nil
}
