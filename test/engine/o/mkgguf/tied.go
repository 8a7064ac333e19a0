package main

import "github.com/ollama/ollama/fs/ggml"

// A model whose output matrix is its embedding would answer each token with the same token if its blocks added nothing. So the
// last block of such a model moves the vector of a token to the vector of the token that follows.

// endKind is the dimension of the token that ends an answer.
const endKind = otherKind + 1

// tiedKind is the dimension of a token of a tied model, which is also the dimension that makes the model say the token. A dimension
// that the rule leads to belongs to one token alone. Other tokens for the same character count as any other character.
func (t *text) tiedKind(token, hot int) int {
	switch {
	case token == t.tokenizer.end:
		return endKind
	case hot < otherKind && token != t.tokenizer.tokenOf(charOf(hot)):
		return otherKind
	}
	return hot
}

// leadingFeedForward adds 64 times the next token's vector: gate and up copy the normed input, which is 8 in the dimension of the
// token, so their product with any of the usual activations is 64.
func leadingFeedForward(l int) []*ggml.Tensor {
	same := matrix(small, func(row, column int) float32 {
		if row == column {
			return 1
		}
		return 0
	})
	next := matrix(smallInner, func(row, column int) float32 {
		if column > otherKind {
			return 0
		}
		follows := endKind
		if char := following(charOf(column)); char != eos {
			follows = kind(char)
		}
		if row == follows {
			return 1
		}
		return 0
	})
	return []*ggml.Tensor{
		tensor(weight(l, "ffn_gate"), same, small, smallInner),
		tensor(weight(l, "ffn_up"), same, small, smallInner),
		tensor(weight(l, "ffn_down"), next, smallInner, small),
	}
}
