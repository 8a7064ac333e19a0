package main

import "github.com/ollama/ollama/fs/ggml"

// A model that sees answers a prompt whose last character the rule has no successor for with the main colour of the image:
// "what colour?" is answered "rstuvwxyz", "ghij…" or "bcde…", and "0123…" where there is no image. This is how:
//
// The projector makes tokens of the image that say "this is an image" in one dimension and how much red, green and blue it
// has in three others. In the first block each token looks for tokens of an image, and only there, and notes the colours in
// dimensions of its own. In the output matrix a colour counts for less than what follows a letter or digit, and for more than
// what follows anything else.

// Dimensions of the small models' width, beside the kinds of characters.
const (
	textDimension  = 40 // 1 in each token of a text
	imageDimension = 41 // in each token of an image
	colours        = 42 // the first of three, in each token of an image
	seen           = 45 // the first of three, in each token that has seen an image
)

// The logits, by far enough apart: what follows a letter or digit, what follows an image, what follows the rest.
const (
	ruleLogit  = 32
	imageLogit = 16
	restLogit  = 2
)

const colourNames = "rgb"

// The encoder of images.
const (
	visionWidth = 32
	visionHeads = 2
	visionInner = 48
)

// The dimensions of the encoder's width. Each feature is there with both signs: a layer norm takes the mean away, which is
// then zero.
const (
	// 0 to 5 are red, less red, green, less green, blue, less blue.
	imageFeature = 6 // 1 everywhere; 7 is less that
)

// seeingRule is rule for a model that sees.
func (t *text) seeingRule() func(token, dimension int) float32 {
	follows := t.rule()
	colour := make(map[int]int) // a colour's dimension to the token of its name
	for i, name := range colourNames {
		colour[seen+i] = t.tokenizer.tokenOf(int(name))
	}
	return func(token, dimension int) float32 {
		name, isColour := colour[dimension]
		switch {
		case isColour && name == token:
			return imageLogit
		case follows(token, dimension) == 0:
			return 0
		case dimension == otherKind:
			return restLogit
		}
		return ruleLogit
	}
}

// lookingAttention is the attention of the first block. Its first head compares one number, the same in every token's
// query, with one that only tokens of an image have. The number is in the last pair of the rotary embedding, which turns by
// a hundredth of a degree from one token to the next. The other heads add nothing.
func (t *text) lookingAttention(l int) []*ggml.Tensor {
	const slowest = smallHead/2 - 1
	from := func(row, dimension int) func(int) float32 {
		return matrix(small, func(r, c int) float32 {
			if r == row && c == dimension {
				return 1
			}
			return 0
		})
	}
	return []*ggml.Tensor{
		tensor(weight(l, "attn_q"), from(slowest, textDimension), small, smallHeads*smallHead),
		tensor(weight(l, "attn_k"), from(slowest, imageDimension), small, uint64(t.headsKV*smallHead)),
		tensor(weight(l, "attn_v"), colourValues(1), small, uint64(t.headsKV*smallHead)),
		tensor(weight(l, "attn_output"), seenColours, smallHeads*smallHead, small),
	}
}

// colourValues makes the colours of an image's token the first elements of its value.
func colourValues(scale float32) func(int) float32 {
	return matrix(small, func(r, c int) float32 {
		if r < len(colourNames) && c == colours+r {
			return scale
		}
		return 0
	})
}

// seenColours puts the first elements of what the first head found where the output matrix looks for them.
func seenColours(i int) float32 {
	element, dimension := i%(smallHeads*smallHead), i/(smallHeads*smallHead)
	if element < len(colourNames) && dimension == seen+element {
		return 1
	}
	return 0
}

// patchMean makes the mean of a patch's red, green and blue, each with both signs.
func patchMean(side int) func(int) float32 {
	pixels := side * side
	return func(i int) float32 {
		channel, feature := i/pixels%3, i/pixels/3
		switch {
		case feature >= imageFeature || feature/2 != channel:
			return 0
		case feature%2 == 0:
			return 1 / float32(pixels)
		}
		return -1 / float32(pixels)
	}
}

func patchBias(feature int) float32 {
	switch feature {
	case imageFeature:
		return 1
	case imageFeature + 1:
		return -1
	}
	return 0
}

// projected brings the encoder's features to where the text model looks for them.
func projected(feature, dimension int) float32 {
	if feature == imageFeature && dimension == imageDimension || feature < imageFeature && feature%2 == 0 && dimension == colours+feature/2 {
		return 1
	}
	return 0
}

func layerNorm(name string) []*ggml.Tensor {
	return []*ggml.Tensor{tensor(name+".weight", one, visionWidth), tensor(name+".bias", zero, visionWidth)}
}

// visionBlock is attention and feed-forward of an encoder's block, by the names that the format has for them. It adds nothing.
func visionBlock(block, output, up, down string) []*ggml.Tensor {
	random := noise()
	var list []*ggml.Tensor
	for _, name := range []string{"attn_q", "attn_k", "attn_v"} {
		list = append(list, tensor(block+name+".weight", random, visionWidth, visionWidth))
	}
	return append(list,
		tensor(block+output+".weight", zero, visionWidth, visionWidth),
		tensor(block+up+".weight", random, visionWidth, visionInner),
		tensor(block+down+".weight", zero, visionInner, visionWidth),
	)
}
