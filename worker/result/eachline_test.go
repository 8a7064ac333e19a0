package result

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// EachLine returns what each line says, and counts the lines that say nothing.
func TestEachLineReadsAnswersAndFailures(t *testing.T) {
	t.Parallel()
	id := `{"id":"batch_req_` + strings.Repeat("0", 32) + `","custom_id":"a\n1",`
	path := filepath.Join(t.TempDir(), "lines.jsonl")
	content := strings.Join([]string{
		id + `"response":{"status_code":200,"body":{"object":"list"}},"error":null}`,
		id + `"response":null,"error":{"code":"invalid_value","message":"m","line":7}}`,
		id + `"response":{"status_code":400,"body":{"error":{"code":"context_length_exceeded","message":"long"}}},"error":null}`,
		id + `"response":{"status_code":500,"body":{"error":{"code":null,"message":"odd"}}},"error":null}`,
		id + `"response":{"status_code":404,"body":{"error":{"code":404,"type":"NotFoundError","param":3,"message":"no model"}}},"error":null}`,
		id + `"response":{"status_code":400,"body":{"object":"error","message":"too long","type":"BadRequestError","code":400}},"error":null}`,
		id + `"response":{"status_code":404,"body":{"error":"no such path"}},"error":null}`,
		id + `"response":{"status_code":404,"body":{"detail":"Not Found"}},"error":null}`,
		`{"id":"batch_req_00"}`,
		"not JSON",
		id + `"respon`,
	}, "\n")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	var got []string
	damaged, err := EachLine(t.Context(), path, func(r Read) error {
		if r.CustomID != "a\n1" {
			t.Errorf("custom_id %q", r.CustomID)
		}
		got = append(got, map[bool]string{true: "answer " + string(r.Body)}[r.Answered]+r.Failure.Code+" "+r.Failure.Message)
		return nil
	})
	want := []string{`answer {"object":"list"} `, "invalid_value m", "context_length_exceeded long", "unknown odd",
		"NotFoundError no model", "BadRequestError too long", "unknown no such path", `unknown {"detail":"Not Found"}`}
	if err != nil || damaged != 2 || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%d damaged, %v\n got %q\nwant %q", damaged, err, got, want)
	}
}

// A missing file has no lines, and an error of the callback ends the reading.
func TestEachLineEnds(t *testing.T) {
	t.Parallel()
	if damaged, err := EachLine(t.Context(), filepath.Join(t.TempDir(), "none.jsonl"), func(Read) error { return errors.New("called") }); damaged != 0 || err != nil {
		t.Errorf("a missing file: %d, %v", damaged, err)
	}
	path := filepath.Join(t.TempDir(), "lines.jsonl")
	if err := os.WriteFile(path, []byte(strings.Repeat(`{"id":"batch_req_`+strings.Repeat("0", 32)+"\"}\n", 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	calls, stop := 0, errors.New("stop")
	if _, err := EachLine(t.Context(), path, func(Read) error { calls++; return stop }); calls != 1 || !errors.Is(err, stop) {
		t.Errorf("%d calls, %v", calls, err)
	}
}
