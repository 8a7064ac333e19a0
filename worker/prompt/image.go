package prompt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// imageKinds are the image formats that both generations of Ollama decode.
const imageKinds = "PNG, JPEG and WebP images"

// imageReader reads the images of one row.
type imageReader struct {
	folder *ImageFolder // nil if rows may not name files
	left   int64        // remaining limit in bytes for images in files
}

// part decodes a part whose type is image_url. OpenAI's API requires an object in it; some libraries write the bare
// URL.
func (r *imageReader) part(o *object) ([]byte, *rowError) {
	if p := o.check(imagePartFields, unsupportedField); p != nil {
		return nil, p
	}
	value := o.get(fieldImageURL)
	if value == nil {
		return nil, rowErrorf(CodeMissing, fieldImageURL.String(), "is missing")
	}
	image, p := r.reference(value)
	if p != nil {
		return nil, p.under(fieldImageURL.String())
	}
	return image, nil
}

func (r *imageReader) reference(value []byte) ([]byte, *rowError) {
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
		return nil, rowErrorf(CodeMissing, fieldURL.String(), "is missing")
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

// checkDetail rejects a requested resolution: it would change the answer, and no server has such an option.
func checkDetail(value []byte) *rowError {
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
		return rowErrorf(CodeUnsupported, "", "is %q; the server chooses the resolution, remove the field or use \"auto\"", detail)
	default:
		return rowErrorf(CodeInvalidValue, "", "is %s; it must be \"auto\"", word(detail))
	}
}

// image returns the image at a URL, which is a JSON string.
func (r *imageReader) image(value []byte) ([]byte, *rowError) {
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
		return nil, rowErrorf(CodeUnsupported, "", "is a network address; fluxworker downloads nothing for a row, because compute nodes are offline; "+
			"put the image into the row as a data: URL, or into a file in the folder of --image-dir")
	case "file", "":
	default:
		return nil, rowErrorf(CodeInvalidValue, "", "is not a data: URL; put the image into the row (data:image/png;base64,…)")
	}
	if len(address) == 0 {
		return nil, rowErrorf(CodeInvalidValue, "", "is empty")
	}
	if kind := bareImage(address); kind != "" {
		return nil, rowErrorf(CodeInvalidValue, "", "looks like an image in base64; write data:image/%s;base64, in front of it", kind)
	}
	if r.folder == nil {
		return nil, rowErrorf(CodeUnsupported, "", "is not a data: URL; for images in files, allow their folder with --image-dir")
	}
	name := string(address)
	if scheme == "file" {
		u, err := url.Parse(name)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return nil, rowErrorf(CodeInvalidValue, "", "is not the URL of a file; use a form like file:///data/image.png")
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

// bareImage returns the kind of an image in base64 that has no data: URL around it; empty for any other text. The first bytes of
// these kinds are always the same, and so is their base64.
func bareImage(text []byte) string {
	for _, kind := range []struct{ name, start string }{{"png", "iVBORw0KGgo"}, {"jpeg", "/9j/"}, {"webp", "UklGR"}} {
		if len(text) > 64 && bytes.HasPrefix(text, []byte(kind.start)) {
			return kind.name
		}
	}
	return ""
}

// schemeOf returns the scheme of a URL in lower case and the rest after its colon. A path has no scheme: a possible
// scheme other than data must have slashes after the colon, otherwise it is the start of a file name.
func schemeOf(address []byte) (scheme string, rest []byte) {
	const maxScheme = len("https") + 8
	head := address[:min(len(address), maxScheme)]
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

// decodeDataURL decodes the part after "data:". The result shares no memory with rest.
func decodeDataURL(rest []byte) ([]byte, *rowError) {
	head, encoded, ok := bytes.Cut(rest, []byte(","))
	if !ok {
		return nil, rowErrorf(CodeInvalidValue, "", "is a data: URL without a comma; use data:image/png;base64, and the image")
	}
	kind, parameters, _ := strings.Cut(strings.ToLower(string(head)), ";")
	switch kind {
	case "image/png", "image/jpeg", "image/jpg", "image/webp":
	default:
		shown := "is a data: URL of another media type"
		if name, ok := strings.CutPrefix(kind, "image/"); ok && isIdentifier(name) {
			shown = "has the media type " + kind
		}
		return nil, rowErrorf(CodeInvalidValue, "", "%s; only %s are supported", shown, imageKinds)
	}
	if parameters != "base64" && !strings.HasSuffix(parameters, ";base64") {
		return nil, rowErrorf(CodeInvalidValue, "", "is a data: URL that is not in base64; use data:%s;base64, and the image", kind)
	}
	image := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(image, encoded)
	if err != nil {
		at := len(encoded)
		if corrupt, ok := errors.AsType[base64.CorruptInputError](err); ok {
			at = int(corrupt)
		}
		return nil, rowErrorf(CodeInvalidValue, "", "is not valid base64: error at character %d of %d", at+1, len(encoded))
	}
	return image[:n], nil
}

// checkImage checks the first bytes of an image. The servers, too, detect the format from these bytes, and one of them
// treats an unknown format as audio.
func checkImage(image []byte) *rowError {
	switch {
	case len(image) == 0:
		return rowErrorf(CodeInvalidValue, "", "is not an image: it is empty")
	case bytes.HasPrefix(image, []byte("\x89PNG\r\n\x1a\n")), bytes.HasPrefix(image, []byte("\xff\xd8\xff")),
		len(image) >= 12 && string(image[:4]) == "RIFF" && string(image[8:12]) == "WEBP":
		return nil
	}
	return rowErrorf(CodeInvalidValue, "", "is not a supported image; only %s are supported", imageKinds)
}

// plainText returns the value of a valid JSON string. If possible, it returns a part of value without a copy, because
// images are long.
func plainText(value []byte) []byte {
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return []byte(unquote(value))
}
