package prompt

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/draw"
	"image/jpeg"
)

// Upright returns an image as people see it. A camera that is held on its side writes a JPEG file on its side, with the turn in the
// file's Exif data (CIPA DC-008, tag Orientation), which no server follows; Upright turns the pixels. Every other image is returned
// as it is, and so is an image that cannot be decoded or has more than maxTurned pixels.
func Upright(file []byte) []byte {
	turn := orientation(file)
	if turn == 1 {
		return file
	}
	config, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil || config.Width*config.Height > maxTurned {
		return file
	}
	lying, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return file // the server says what is wrong with it
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, turned(lying, turn), &jpeg.Options{Quality: 95}); err != nil {
		return file
	}
	return out.Bytes()
}

// maxTurned is the largest number of pixels of an image that is turned: it takes eight bytes of memory for each.
const maxTurned = 1 << 27

// turned returns the pixels of an image with an orientation from 2 to 8 as they are upright.
func turned(lying image.Image, turn int) image.Image {
	from := image.NewRGBA(image.Rect(0, 0, lying.Bounds().Dx(), lying.Bounds().Dy()))
	draw.Draw(from, from.Bounds(), lying, lying.Bounds().Min, draw.Src)
	w, h := from.Rect.Dx(), from.Rect.Dy()
	if turn >= 5 {
		w, h = h, w
	}
	to := image.NewRGBA(image.Rect(0, 0, w, h))
	right, bottom := from.Rect.Dx()-1, from.Rect.Dy()-1
	for y := range h {
		for x := range w {
			u, v := x, y
			switch turn {
			case 2:
				u = right - x
			case 3:
				u, v = right-x, bottom-y
			case 4:
				v = bottom - y
			case 5:
				u, v = y, x
			case 6:
				u, v = y, bottom-x
			case 7:
				u, v = right-y, bottom-x
			case 8:
				u, v = right-y, x
			}
			copy(to.Pix[to.PixOffset(x, y):][:4], from.Pix[from.PixOffset(u, v):][:4])
		}
	}
	return to
}

// orientation returns the orientation in the Exif data of a JPEG file, from 1 (upright) to 8; 1 for every other file.
func orientation(file []byte) int {
	if !bytes.HasPrefix(file, []byte("\xff\xd8")) {
		return 1
	}
	for at := 2; at+4 <= len(file) && file[at] == 0xff; {
		marker, size := file[at+1], int(binary.BigEndian.Uint16(file[at+2:]))
		if marker == 0xff { // a fill byte
			at++
			continue
		}
		if marker == 0xda || size < 2 || at+2+size > len(file) { // the pixels begin, or the file is cut off
			return 1
		}
		if segment := file[at+4 : at+2+size]; marker == 0xe1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		at += 2 + size
	}
	return 1
}

// tiffOrientation returns the orientation in Exif data, which has the structure of a TIFF file.
func tiffOrientation(data []byte) int {
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case bytes.HasPrefix(data, []byte("MM")):
		order = binary.BigEndian
	case !bytes.HasPrefix(data, []byte("II")):
		return 1
	}
	if len(data) < 8 {
		return 1
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return 1
	}
	const tagOrientation, typeShort, entrySize = 0x0112, 3, 12
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < entrySize {
			return 1
		}
		if order.Uint16(entries) == tagOrientation && order.Uint16(entries[2:]) == typeShort {
			if turn := int(order.Uint16(entries[8:])); turn >= 1 && turn <= 8 {
				return turn
			}
			return 1
		}
		entries = entries[entrySize:]
	}
	return 1
}
