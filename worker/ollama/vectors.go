package ollama

import (
	"encoding/base64"
	"encoding/binary"
	"math"

	"fluxworker/worker/prompt"
)

// EmbeddingList holds the vectors of a row in OpenAI's format.
type EmbeddingList struct {
	Object string          `json:"object"`
	Data   []EmbeddingItem `json:"data"`
	Model  string          `json:"model"`
	Usage  EmbeddingUsage  `json:"usage"`
}

// EmbeddingItem is the vector of one text.
type EmbeddingItem struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // array of numbers, or a base64 string
}

// EmbeddingUsage holds the server's token counts. Estimated extends OpenAI's schema: the server has counted the tokens of several
// rows together, and the counts are an estimate of this row's part.
type EmbeddingUsage struct {
	PromptTokens int  `json:"prompt_tokens"`
	TotalTokens  int  `json:"total_tokens"`
	Estimated    bool `json:"estimated,omitempty"`
}

func embeddingList(row prompt.Row, a *Answer) EmbeddingList {
	list := EmbeddingList{Object: "list", Model: row.Request.Model, Usage: EmbeddingUsage{a.PromptTokens, a.PromptTokens, a.Estimated}}
	for i, v := range a.Vectors {
		item := EmbeddingItem{Object: "embedding", Index: i, Embedding: v}
		if row.Request.Embedding.Base64 {
			item.Embedding = inBase64(v)
		}
		list.Data = append(list.Data, item)
	}
	return list
}

func inBase64(v []float32) string {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(data)
}
