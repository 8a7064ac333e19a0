package main

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/ollama/ollama/fs/ggml"
)

// tensor fills an F32 tensor, innermost dimension first.
func tensor(name string, value func(i int) float32, shape ...uint64) *ggml.Tensor {
	n := uint64(1)
	for _, s := range shape {
		n *= s
	}
	data := make([]byte, 0, 4*n)
	for i := range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(value(int(i))))
	}
	return &ggml.Tensor{Name: name, Kind: 0, Shape: shape, WriterTo: bytes.NewReader(data)}
}

// wholeNumbers fills a Q4_0 tensor with whole numbers from -8 to 7, which it holds exactly: blocks of 32 with a common
// scale, here 1, and half a byte for each.
func wholeNumbers(name string, value func(i int) float32, shape ...uint64) *ggml.Tensor {
	n := 1
	for _, s := range shape {
		n *= int(s)
	}
	data := make([]byte, 0, n/32*18)
	for i := 0; i < n; i += 32 {
		data = append(data, 0, 0x3c) // 1 as a half-precision number
		for j := range 16 {
			data = append(data, byte(int(value(i+j))+8)|byte(int(value(i+j+16))+8)<<4)
		}
	}
	return &ggml.Tensor{Name: name, Kind: uint32(ggml.TensorTypeQ4_0), Shape: shape, WriterTo: bytes.NewReader(data)}
}

func zero(int) float32 { return 0 }
func one(int) float32  { return 1 }

// constant is a tensor's value everywhere.
func constant(v float32) func(int) float32 { return func(int) float32 { return v } }

// matrix gives a tensor of the given number of columns the values of a function of row (the output) and column (the input).
func matrix(columns int, value func(row, column int) float32) func(int) float32 {
	return func(i int) float32 { return value(i/columns, i%columns) }
}

// noise returns small numbers, the same on every machine: a linear congruential generator.
func noise() func(int) float32 {
	state := uint32(12345)
	return func(int) float32 {
		state = state*1664525 + 1013904223
		return (float32(state>>8)/(1<<24) - 0.5) / 20
	}
}
