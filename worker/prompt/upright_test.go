package prompt

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"slices"
	"testing"
)

// cornered returns a JPEG file of 32 by 16 pixels with a colour in each corner, and with an orientation in its Exif data; 0 writes no Exif data.
func cornered(t *testing.T, orientation int, order binary.AppendByteOrder) []byte {
	t.Helper()
	pixels := image.NewRGBA(image.Rect(0, 0, 32, 16))
	for y := range 16 {
		for x := range 32 {
			pixels.Set(x, y, corners[y/8*2+x/16])
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, pixels, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	if orientation == 0 {
		return file.Bytes()
	}
	tiff := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		tiff = []byte("MM\x00*")
	}
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, tag := range []struct{ tag, value int }{{0x0100, 32}, {0x0112, orientation}} {
		tiff = order.AppendUint16(tiff, uint16(tag.tag))
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, uint16(tag.value))
		tiff = order.AppendUint16(tiff, 0)
	}
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(len(segment)+2))
	return slices.Concat(head, segment, file.Bytes()[2:])
}

// corners are the colours of the stored pixels: top left, top right, bottom left, bottom right.
var corners = []color.RGBA{{R: 255, A: 255}, {G: 255, A: 255}, {B: 255, A: 255}, {R: 255, G: 255, B: 255, A: 255}}

// An image is turned so that the stored first row and column are at the sides that the standard names for its orientation.
func TestUpright(t *testing.T) {
	for orientation, sides := range map[int]struct{ row, column string }{
		2: {"top", "right"}, 3: {"bottom", "right"}, 4: {"bottom", "left"},
		5: {"left", "top"}, 6: {"right", "top"}, 7: {"right", "bottom"}, 8: {"left", "bottom"},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			got, err := jpeg.Decode(bytes.NewReader(Upright(cornered(t, orientation, order))))
			if err != nil {
				t.Fatal(err)
			}
			w, h := got.Bounds().Dx(), got.Bounds().Dy()
			if turned := orientation >= 5; turned && (w != 16 || h != 32) || !turned && (w != 32 || h != 16) {
				t.Errorf("orientation %d: %d by %d pixels", orientation, w, h)
			}
			opposite := map[string]string{"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
			for i, want := range corners {
				row, column := sides.row, sides.column
				if i >= 2 {
					row = opposite[row]
				}
				if i%2 == 1 {
					column = opposite[column]
				}
				at := map[string]int{"left": w / 4, "right": 3 * w / 4, "top": h / 4, "bottom": 3 * h / 4}
				x, y := at[column], at[row]
				if sides.row == "left" || sides.row == "right" {
					x, y = at[row], at[column]
				}
				r, g, b, _ := got.At(x, y).RGBA()
				if near := func(a uint32, b uint8) bool { return max(a>>8, uint32(b))-min(a>>8, uint32(b)) < 30 }; !near(r, want.R) || !near(g, want.G) || !near(b, want.B) {
					t.Errorf("orientation %d: corner %d is %v, want %v", orientation, i, got.At(x, y), want)
				}
			}
		}
	}
}

// What is upright, no JPEG, or damaged stays as it is, byte for byte.
func TestUprightAlready(t *testing.T) {
	lying := cornered(t, 6, binary.LittleEndian)
	for name, file := range map[string][]byte{
		"no Exif data": cornered(t, 0, nil), "upright": cornered(t, 1, binary.BigEndian), "unknown": cornered(t, 9, binary.BigEndian),
		"PNG": []byte(png), "cut in the Exif data": lying[:30], "cut in the pixels": lying[:len(lying)/2], "empty": nil, "two bytes": lying[:2],
	} {
		if got := Upright(file); !bytes.Equal(got, file) {
			t.Errorf("%s: changed", name)
		}
	}
	for cut := range lying {
		Upright(lying[:cut]) // must not panic
	}
}

// A turned image is another request than the same file was before images were turned; every other image keeps its key.
func TestUprightKeys(t *testing.T) {
	row := func(file []byte) Row {
		url := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(file)
		return readAll(t, imageRow(url), jsonlOptions())[0]
	}
	plain, lying := cornered(t, 0, nil), cornered(t, 6, binary.LittleEndian)
	same := slices.Clone(lying)
	same[bytes.Index(same, []byte{0x12, 0x01, 3, 0, 1, 0, 0, 0, 6})+8] = 1 // upright, in the same number of bytes
	if a, b, c := row(plain), row(lying), row(same); a.Reject != nil || b.Reject != nil || a.Key == b.Key || b.Key == c.Key {
		t.Errorf("keys %v, %v, %v; %v %v", a.Key, b.Key, c.Key, a.Reject, b.Reject)
	}
}
