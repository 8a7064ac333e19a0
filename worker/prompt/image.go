package prompt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// imageKinds is what the servers of both generations decode.
const imageKinds = "PNG, JPEG and WebP images"

// imageReader gets the images of one row.
type imageReader struct {
	folder *ImageFolder // nil where rows may name no files
	left   int64        // bytes that images in files may still have
}

// part decodes a part of the type image_url, of which the type is known already. OpenAI wants an object there; some
// libraries write the bare URL.
func (r *imageReader) part(o *object) ([]byte, *problem) {
	if p := o.check(imagePartFields, unsupportedField); p != nil {
		return nil, p
	}
	value := o.get(fieldImageURL)
	if value == nil {
		return nil, problemf(CodeMissing, fieldImageURL.String(), "is missing")
	}
	image, p := r.reference(value)
	if p != nil {
		return nil, p.under(fieldImageURL.String())
	}
	return image, nil
}

func (r *imageReader) reference(value []byte) ([]byte, *problem) {
	switch value[0] {
	case '"':
		return r.image(value)
	case '{':
	default:
		return nil, wrongType(value, false, "an object with a url")
	}
	var o object
	o.read(value)
	if p := o.check(imageFields, unsupportedField); p != nil {
		return nil, p
	}
	if p := checkDetail(o.get(fieldDetail)); p != nil {
		return nil, p.under(fieldDetail.String())
	}
	address := o.get(fieldURL)
	if address == nil {
		return nil, problemf(CodeMissing, fieldURL.String(), "is missing")
	}
	if address[0] != '"' {
		return nil, wrongType(address, false, "a string").under(fieldURL.String())
	}
	image, p := r.image(address)
	if p != nil {
		return nil, p.under(fieldURL.String())
	}
	return image, nil
}

// checkDetail refuses to be told at which resolution the model is to look: that would change the answer, and no server
// here can be told.
func checkDetail(value []byte) *problem {
	switch {
	case value == nil:
		return nil
	case value[0] != '"':
		return wrongType(value, true, "a string")
	}
	switch detail := unquote(value); detail {
	case "auto":
		return nil
	case "low", "high":
		return problemf(CodeUnsupported, "", "is %q; the server decides that alone, remove it or say \"auto\"", detail)
	default:
		return problemf(CodeInvalidValue, "", "is %s; it must be \"auto\"", word(detail))
	}
}

// image gets the image that a URL in JSON stands for.
func (r *imageReader) image(value []byte) ([]byte, *problem) {
	address := plainText(value)
	scheme, rest := schemeOf(address)
	switch scheme {
	case "data":
		image, p := decodeDataURL(rest)
		if p != nil {
			return nil, p
		}
		return image, checkImage(image)
	case "http", "https":
		return nil, problemf(CodeUnsupported, "", "is an address on the net, and nothing is fetched for a row: compute nodes are offline; "+
			"put the image into the row as a data: URL, or into a file and allow that with --allow-image-files")
	case "file", "":
	default:
		return nil, problemf(CodeInvalidValue, "", "is no data: URL; an image belongs into the row (data:image/png;base64,…)")
	}
	if len(address) == 0 {
		return nil, problemf(CodeInvalidValue, "", "is empty")
	}
	if r.folder == nil {
		return nil, problemf(CodeUnsupported, "", "is no data: URL; images in files are read only below the folder that --allow-image-files names")
	}
	name := string(address)
	if scheme == "file" {
		u, err := url.Parse(name)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return nil, problemf(CodeInvalidValue, "", "is no URL of a file; want something like file:///data/image.png")
		}
		name = u.Path
	}
	image, p := r.folder.read(name, r.left)
	if p != nil {
		return nil, p
	}
	r.left -= int64(len(image))
	if p := checkImage(image); p != nil {
		p.text = "names the file " + showPath(name) + ", which " + p.text
		return nil, p
	}
	return image, nil
}

// schemeOf is the scheme of a URL in small letters, and what follows its colon. A path has none: what could be a scheme
// but is followed by neither data nor slashes is the start of a file's name.
func schemeOf(address []byte) (scheme string, rest []byte) {
	const longest = len("https") + 8
	head := address[:min(len(address), longest)]
	end := bytes.IndexByte(head, ':')
	if end <= 0 {
		return "", address
	}
	scheme, rest = strings.ToLower(string(head[:end])), address[end+1:]
	if scheme != "data" && !bytes.HasPrefix(rest, []byte("//")) {
		return "", address
	}
	return scheme, rest
}

// decodeDataURL decodes what follows "data:". What it decodes to shares no memory with rest.
func decodeDataURL(rest []byte) ([]byte, *problem) {
	head, encoded, ok := bytes.Cut(rest, []byte(","))
	if !ok {
		return nil, problemf(CodeInvalidValue, "", "is a data: URL without a comma; want data:image/png;base64, and the image")
	}
	kind, parameters, _ := strings.Cut(strings.ToLower(string(head)), ";")
	switch kind {
	case "image/png", "image/jpeg", "image/jpg", "image/webp":
	default:
		shown := "is a data: URL of another media type"
		if name, ok := strings.CutPrefix(kind, "image/"); ok && isIdentifier(name) {
			shown = "has the media type " + kind
		}
		return nil, problemf(CodeInvalidValue, "", "%s; only %s are supported", shown, imageKinds)
	}
	if parameters != "base64" && !strings.HasSuffix(parameters, ";base64") {
		return nil, problemf(CodeInvalidValue, "", "is a data: URL that is not in base64; want data:%s;base64, and the image", kind)
	}
	image := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(image, encoded)
	if err != nil {
		at := len(encoded)
		if corrupt, ok := errors.AsType[base64.CorruptInputError](err); ok {
			at = int(corrupt)
		}
		return nil, problemf(CodeInvalidValue, "", "is not in base64: it goes wrong at character %d of the image, which has %d", at+1, len(encoded))
	}
	return image[:n], nil
}

// checkImage looks at how an image begins. The servers tell its kind by that, too, whatever it is called; one of them
// takes what it does not know for sound.
func checkImage(image []byte) *problem {
	switch {
	case len(image) == 0:
		return problemf(CodeInvalidValue, "", "holds no image: it is empty")
	case bytes.HasPrefix(image, []byte("\x89PNG\r\n\x1a\n")), bytes.HasPrefix(image, []byte("\xff\xd8\xff")),
		len(image) >= 12 && string(image[:4]) == "RIFF" && string(image[8:12]) == "WEBP":
		return nil
	}
	return problemf(CodeInvalidValue, "", "holds something else than %s, which alone are supported", imageKinds)
}

// plainText is what a valid JSON string stands for. Where it can, it is the string's own bytes: an image is long.
func plainText(value []byte) []byte {
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return []byte(unquote(value))
}
