// Reads one object by the AWS SDK for Go v2, writes it under another name and prints it, once a second: BUCKET FOLDER ROUNDS.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("BUCKET FOLDER ROUNDS")
	}
	bucket, folder := os.Args[1], os.Args[2]
	rounds, err := strconv.Atoi(os.Args[3])
	must(err)
	ctx := context.Background()
	settings, err := config.LoadDefaultConfig(ctx)
	must(err)
	client := s3.NewFromConfig(settings)
	for round := range rounds {
		answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bucket), Key: aws.String(folder + "/in")})
		must(err)
		content, err := io.ReadAll(answer.Body)
		must(err)
		fmt.Println(string(content))
		copied := fmt.Sprintf("%s/out-%d", folder, round)
		_, err = client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(bucket), Key: aws.String(copied), Body: bytes.NewReader(content),
		})
		must(err)
		time.Sleep(time.Second)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
