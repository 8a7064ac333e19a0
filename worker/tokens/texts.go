package tokens

import "fluxworker/worker/prompt"

// textWeight stands for the begin and the end of a text of an embedding.
const textWeight = 2

// Texts returns the weight of all texts of an embedding together, and that of the longest text. Both are about numbers of
// tokens.
func Texts(e *prompt.Embedding) (sum, longest int) {
	for _, text := range e.Input {
		weight := textWeight + weighText(text)
		sum += weight
		longest = max(longest, weight)
	}
	return sum, longest
}

// WeighMean returns the weight of a request with one text that is as long as the texts of the embedding on average: the server
// counts the tokens of all texts together, and an Estimator wants the weight of one prompt.
func WeighMean(e *prompt.Embedding) int {
	sum, _ := Texts(e)
	return requestWeight - textWeight + sum/len(e.Input)
}

// Split divides a server's count of tokens among the prompts with the given weights, each at least 1, in proportion to the
// weights. The parts sum up to the count.
func Split(count int, weights []int) []int {
	whole := 0
	for _, w := range weights {
		whole += w
	}
	parts := make([]int, len(weights))
	sum, given := 0, 0
	for i, w := range weights {
		sum += w
		upTo := count/whole*sum + (count%whole*sum+whole/2)/whole // in two steps, since a count times a weight may be too large
		parts[i], given = upTo-given, upTo
	}
	return parts
}
