// What the endpoint is measured against: the same answer by Go's net/http, as plainly as one would write it.
package main

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

type credentials struct {
	AccessKeyId     string
	SecretAccessKey string
	Token           string
	Expiration      string
}

func main() {
	token := []byte(os.Args[1])
	served := credentials{
		AccessKeyId:     strings.Repeat("x", 20),
		SecretAccessKey: strings.Repeat("x", 40),
		Token:           strings.Repeat("x", 1300),
		Expiration:      time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/credentials", func(answer http.ResponseWriter, request *http.Request) {
		if subtle.ConstantTimeCompare([]byte(request.Header.Get("Authorization")), token) != 1 {
			http.Error(answer, "refused", http.StatusForbidden)
			return
		}
		body, err := json.Marshal(served)
		if err != nil {
			http.Error(answer, "failed", http.StatusInternalServerError)
			return
		}
		answer.Header().Set("Content-Type", "application/json")
		answer.Header().Set("Content-Length", strconv.Itoa(len(body)))
		answer.Header().Set("Cache-Control", "no-store")
		answer.Write(body)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, mux))
}
