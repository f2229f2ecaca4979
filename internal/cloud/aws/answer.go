package aws

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/stint-cloud/stint/internal/cloud"
)

// onlyOwnAnswers refuses a success whose body is not the action's own answer. The SDK would take an empty body, or a
// proxy's page that happens to be well formed, for an answer without content: a listing of nothing, on which a plan
// would believe that every backup is gone.
func onlyOwnAnswers(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("OnlyOwnAnswers", checkAnswer), middleware.After)
}

// noteRequests tells whoever watches the id of each request, at the end of every attempt.
func noteRequests(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("NoteRequests", noteRequest), middleware.Before)
}

func noteRequest(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	cloud.NoteRequest(ctx, id)
	return out, metadata, err
}

const headSize = 1024 // of an answer, in which its root element has to begin

func checkAnswer(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if err != nil {
		return out, metadata, err
	}
	response, ok := out.RawResponse.(*smithyhttp.Response)
	if !ok || response.StatusCode < 200 || response.StatusCode >= 300 {
		return out, metadata, nil
	}
	body := bufio.NewReaderSize(response.Body, headSize)
	head, err := body.Peek(headSize)
	if err != nil && err != io.EOF {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("the answer broke off: %w", err)}
	}
	want := awsmiddleware.GetOperationName(ctx) + "Response"
	if got := rootElement(head); got != want {
		return out, metadata, &smithy.DeserializationError{Err: fmt.Errorf("the answer is not EC2's: it begins with %q, want %q; is there a proxy between?", got, want)}
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{body, response.Body}
	return out, metadata, nil
}

// rootElement is the name of the first element, empty when there is none.
func rootElement(head []byte) string {
	d := xml.NewDecoder(bytes.NewReader(head))
	for {
		t, err := d.RawToken()
		if err != nil {
			return ""
		}
		if e, ok := t.(xml.StartElement); ok {
			return e.Name.Local
		}
	}
}
