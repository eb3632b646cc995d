// What the examples in the documentation talk to: something that gives every request this answer. Included there, and so
// without doc comments.

const TOKEN: &str = r#"{"key":"graph","access_token":"example","token_type":"Bearer","expires_in":3600,"expires_at":null,"scope":null,"generation":7,"warnings":[]}"#;
const PAGE: &str = r#"{"tokens":[],"next":null}"#;

fn broker(json: &'static str) -> std::io::Result<String> {
    answering(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{json}", json.len()))
}

fn broker_of_events(json: &'static str) -> std::io::Result<String> {
    answering(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\nevent: token\ndata: {json}\n\n"
    ))
}

fn answering(response: String) -> std::io::Result<String> {
    use std::io::{BufRead, BufReader, Read, Write};

    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut request = BufReader::new(&stream);
            let head = request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let lengths = head.filter_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; lengths.last().unwrap_or_default()];
            request.read_exact(&mut body).ok();
            (&stream).write_all(response.as_bytes()).ok();
        }
    });
    Ok(url)
}
