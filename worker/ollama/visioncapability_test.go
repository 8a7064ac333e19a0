package ollama

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"fluxworker/worker/prompt"
)

// seeing is a server whose model has the capabilities, and the images that it was sent.
type seeing struct {
	*httptest.Server
	mu sync.Mutex
	sent
}

// sent is what the server got.
type sent struct {
	shows, chats int
	images       [][]string // of each message, in base64
}

func (s *seeing) saw() sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func startSeeing(t *testing.T, show int, capabilities string, chat int, answer string) *seeing {
	t.Helper()
	s := new(seeing)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch r.URL.Path {
		case "/api/show":
			s.shows++
			w.WriteHeader(show)
			io.WriteString(w, capabilities)
		case "/api/chat":
			s.chats++
			var body struct{ Messages []struct{ Images []string } }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			s.images = nil
			for _, m := range body.Messages {
				s.images = append(s.images, m.Images)
			}
			w.WriteHeader(chat)
			io.WriteString(w, answer)
		default:
			t.Errorf("asked %s", r.URL.Path)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// withImages returns a request of four messages, two of them with images.
func withImages() prompt.Request {
	r := request()
	r.Messages = append(r.Messages, prompt.Message{Role: "assistant", Content: "a"},
		prompt.Message{Role: "user", Content: "b", Images: [][]byte{[]byte("one"), []byte("two")}}, prompt.Message{Role: "user", Images: [][]byte{[]byte("three")}})
	return r
}

func TestImagesReachAModelThatSees(t *testing.T) {
	s := startSeeing(t, 200, `{"capabilities":["completion","vision"]}`, 200, complete)
	c, err := NewClient(s.URL, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		if _, err := c.Ask(t.Context(), withImages()); err != nil {
			t.Fatal(err)
		}
		want := [][]string{nil, nil, nil, {"one", "two"}, {"three"}}
		images := s.saw().images
		for i, list := range want {
			if len(images) != len(want) || len(images[i]) != len(list) {
				t.Fatalf("images %q, want %q", images, want)
			}
			for n, image := range list {
				if got, _ := base64.StdEncoding.DecodeString(images[i][n]); string(got) != image {
					t.Errorf("image %d of message %d is %q, want %q", n, i, got, image)
				}
			}
		}
	}
	if got := s.saw(); got.shows != 1 || got.chats != 3 {
		t.Errorf("the server was asked %d times whether its model sees, and %d rows; want 1 and 3", got.shows, got.chats)
	}
}

// The old generation answers from the text alone and says nothing. So it must not even be asked.
func TestImagesOfAModelWithoutVision(t *testing.T) {
	s := startSeeing(t, 200, `{"capabilities":["completion"]}`, 200, complete)
	c, err := NewClient(s.URL, 1, Runner{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Ask(t.Context(), withImages())
	var refused *RequestError
	if !errors.As(err, &refused) || refused.Code != CodeInvalidRequest || refused.Status != 400 {
		t.Errorf("got %v (%T), want a RequestError", err, err)
	}
	if s.saw().chats != 0 {
		t.Error("the row was asked")
	}
	if _, err := c.Ask(t.Context(), request()); err != nil || s.saw().shows != 1 {
		t.Errorf("a row without images: %v; asked for the model's vision %d times", err, s.saw().shows)
	}
}

func TestVisionIsUnknown(t *testing.T) {
	for _, tt := range []struct {
		status int
		down   bool
	}{{503, true}, {500, true}, {404, false}} {
		s := startSeeing(t, tt.status, `{"error":"no"}`, 200, complete)
		c, err := NewClient(s.URL, 1, Runner{Context: 512})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Ask(t.Context(), withImages())
		c.Close()
		var down *UnavailableError
		if errors.As(err, &down) != tt.down || errors.Is(err, ErrModelMissing) == tt.down || s.saw().chats != 0 {
			t.Errorf("HTTP %d: %v (%T)", tt.status, err, err)
		}
	}
}

// A faulty row stays faulty: repeated retries would end the run.
func TestImagesThatAServerCannotRead(t *testing.T) {
	for message, theRows := range map[string]bool{
		"failed to create new sequence: failed to process inputs: image: unknown format":             true,
		"Failed to create new sequence: failed to process inputs: invalid image index: 7":            true,
		"this model only supports one image while more than one image requested":                     true,
		"decode WebP image: unexpected EOF":                                                          true,
		"Failed to create new sequence: failed to process inputs: unable to encode mtmd image chunk": false,
		"model runner has unexpectedly stopped":                                                      false,
	} {
		body, _ := json.Marshal(map[string]string{"error": message})
		_, _, err := ask(t, request(), 500, string(body))
		var refused *RequestError
		var down *UnavailableError
		if errors.As(err, &refused) != theRows || errors.As(err, &down) == theRows {
			t.Errorf("%s: %v (%T)", message, err, err)
		}
		if theRows && (refused.Status != 400 || refused.Message != message) {
			t.Errorf("%s: %+v", message, refused)
		}
	}
}
