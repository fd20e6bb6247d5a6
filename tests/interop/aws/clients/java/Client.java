// Reads one object by the AWS SDK for Java v2, writes it under another name and prints it, once a second:
// BUCKET FOLDER ROUNDS.

import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.s3.S3Client;

public class Client {
    public static void main(String[] arguments) throws InterruptedException {
        String bucket = arguments[0], folder = arguments[1];
        try (S3Client s3 = S3Client.create()) {
            for (int round = 0; round < Integer.parseInt(arguments[2]); round++) {
                String content = s3.getObjectAsBytes(get -> get.bucket(bucket).key(folder + "/in")).asUtf8String();
                System.out.println(content);
                String copy = folder + "/out-" + round;
                s3.putObject(put -> put.bucket(bucket).key(copy), RequestBody.fromString(content));
                Thread.sleep(1000);
            }
        }
    }
}
