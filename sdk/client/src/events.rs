//! Server-sent events (WHATWG HTML, section 9.2) as a stream that connects again by itself.

use std::collections::VecDeque;
use std::time::Duration;

use futures::stream::{self, Stream};
use glovebox_api::Problem;
use reqwest::Response;
use serde::de::DeserializeOwned;

use crate::{Client, ClientError};

/// Silence after which a connection counts as broken: three of the server's signs of life.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Pause before connecting again.
const PAUSE: Duration = Duration::from_secs(1);
/// Breaks in a row, without an event between, after which it gives up.
const BREAKS_MAX: u32 = 30;
/// Longest event, so that a broken server can't fill our memory.
const EVENT_MAX_BYTES: usize = 4 << 20;

/// What the server tells of one thing, as it changes. Ends after the last event or the first error.
#[derive(Debug)]
pub struct Watch<T> {
    client: Client,
    path: Vec<String>,
    event: &'static str,
    is_last: fn(&T) -> bool,
    connection: Option<Connection>,
    breaks: u32,
    previous: Option<T>,
    is_over: bool,
}

impl<T: DeserializeOwned + PartialEq + Clone> Watch<T> {
    pub(crate) fn new(client: Client, path: Vec<String>, event: &'static str, is_last: fn(&T) -> bool) -> Self {
        Self { client, path, event, is_last, connection: None, breaks: 0, previous: None, is_over: false }
    }

    /// The next event. None after the last one, or after an error.
    pub async fn next(&mut self) -> Option<Result<T, ClientError>> {
        while !self.is_over {
            match self.step().await {
                Ok(Some(value)) => return Some(Ok(value)),
                Ok(None) => {}
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// The same as a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<T, ClientError>> {
        stream::unfold(self, async move |mut watch| watch.next().await.map(|item| (item, watch)))
    }

    /// Connects, or reads one event; none when there was nothing to tell.
    async fn step(&mut self) -> Result<Option<T>, ClientError> {
        let Some(connection) = &mut self.connection else {
            let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
            match self.client.stream_of(&path).await {
                Ok(response) => self.connection = Some(Connection::new(response)),
                Err(error @ ClientError::Connection { .. }) => self.pause(error).await?,
                Err(error) => return Err(error),
            }
            return Ok(None);
        };
        match connection.next().await {
            Ok(Some(message)) if message.event == self.event => self.take(&message.data),
            Ok(Some(message)) if message.event == "problem" => {
                Err(ClientError::Problem(Box::new(read::<Problem>(&message.data)?)))
            }
            Ok(Some(_)) => Ok(None),
            Ok(None) => {
                self.connection = None;
                self.pause(ClientError::Connection { detail: "the event stream ended early".into(), remedy: None })
                    .await?;
                Ok(None)
            }
            Err(error @ ClientError::Connection { .. }) => {
                self.connection = None;
                self.pause(error).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, data: &str) -> Result<Option<T>, ClientError> {
        let value: T = read(data)?;
        self.breaks = 0;
        self.is_over = (self.is_last)(&value);
        // A new connection begins with the current state, which may have been told before the break.
        if self.previous.as_ref() == Some(&value) {
            return Ok(None);
        }
        self.previous = Some(value.clone());
        Ok(Some(value))
    }

    async fn pause(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.breaks += 1;
        if self.breaks > BREAKS_MAX {
            return Err(error);
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

fn read<T: DeserializeOwned>(data: &str) -> Result<T, ClientError> {
    serde_json::from_str(data).map_err(|error| ClientError::Answer { status: 200, detail: error.to_string() })
}

#[derive(Debug)]
struct Connection {
    response: Response,
    parser: Parser,
}

impl Connection {
    fn new(response: Response) -> Self {
        Self { response, parser: Parser::default() }
    }

    async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some(message) = self.parser.messages.pop_front() {
                return Ok(Some(message));
            }
            match tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await {
                Ok(chunk) => match chunk? {
                    Some(chunk) => self.parser.feed(&chunk)?,
                    None => return Ok(None),
                },
                Err(_) => {
                    return Err(ClientError::Connection { detail: "the server fell silent".into(), remedy: None });
                }
            }
        }
    }
}

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    event: String,
    data: String,
}

/// Cuts a stream of bytes into events.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    after_return: bool,
    current: Message,
    messages: VecDeque<Message>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        for &byte in bytes {
            // Lines end with CR, LF or both.
            let follows_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\r' | b'\n' => self.end_line()?,
                _ => self.line.push(byte),
            }
            if self.line.len() + self.current.data.len() > EVENT_MAX_BYTES {
                return Err(ClientError::Answer { status: 200, detail: "an event is too long".into() });
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), ClientError> {
        let line = String::from_utf8(std::mem::take(&mut self.line))
            .map_err(|_| ClientError::Answer { status: 200, detail: "an event is not UTF-8".into() })?;
        if line.is_empty() {
            let mut message = std::mem::take(&mut self.current);
            if message.data.pop().is_some() {
                self.messages.push_back(message);
            }
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.current.event),
            "data" => {
                self.current.data.push_str(value);
                self.current.data.push('\n');
            }
            // Comments, ids and retry times.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(chunks: &[&str]) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        for chunk in chunks {
            parser.feed(chunk.as_bytes()).unwrap();
        }
        parser.messages.into_iter().map(|message| (message.event, message.data)).collect()
    }

    fn message(event: &str, data: &str) -> (String, String) {
        (event.to_owned(), data.to_owned())
    }

    #[test]
    fn events_are_cut_out_of_any_chunks() {
        let text =
            "retry: 1000\n\n: sign of life\n\nevent: state\ndata: {\"a\":1}\n\nevent: state\ndata: {\"a\":2}\n\n";
        let expected = vec![message("state", "{\"a\":1}"), message("state", "{\"a\":2}")];
        assert_eq!(parse(&[text]), expected);
        for cut in 1..text.len() {
            assert_eq!(parse(&[&text[..cut], &text[cut..]]), expected, "cut at {cut}");
        }
        assert_eq!(parse(&[&text.replace('\n', "\r\n")]), expected);
        assert_eq!(parse(&[&text.replace('\n', "\r")]), expected);
    }

    #[test]
    fn data_of_several_lines_is_joined() {
        assert_eq!(parse(&["data: a\ndata:b\ndata\n\n"]), vec![message("", "a\nb\n")]);
    }

    #[test]
    fn an_unfinished_event_is_none() {
        assert_eq!(parse(&["event: state\ndata: {}\n"]), vec![]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; EVENT_MAX_BYTES + 1];
        assert!(matches!(parser.feed(&chunk), Err(ClientError::Answer { .. })));
    }
}
