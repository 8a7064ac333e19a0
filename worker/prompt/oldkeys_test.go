package prompt

import "testing"

// Rows with only the fields of the first version keep the keys of that version.
func TestKeysOfPlainRows(t *testing.T) {
	for line, want := range map[string]string{
		`{"custom_id":"a","prompt":"hi"}`: "batch_req_7562f16a6ccde940a4656250dab4d93a",
		`{"custom_id":"a","url":"/v1/chat/completions","body":{"model":"llama3.2","messages":[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"v"},{"role":"user","content":"w"}]}}`:   "batch_req_7562f16a6ccde94073ae252267c1c993",
		`{"custom_id":"a","messages":[{"role":"user","content":"hi"}],"max_tokens":5,"temperature":0.25,"top_p":0.5,"top_k":3,"seed":-4,"stop":["x"],"frequency_penalty":1,"presence_penalty":-1,"n":1,"stream":false,"user":"u"}`: "batch_req_7562f16a6ccde9400b4e7d3671f20a56",
		`{"custom_id":"a","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`:                                                    "batch_req_7562f16a6ccde940c3c68d5f06ff378a",
	} {
		if got := decodeOne(t, line, jsonlOptions()); got.Reject != nil || got.Key.String() != want {
			t.Errorf("%s: %s, %v; want %s", line, got.Key, got.Reject, want)
		}
	}
}
