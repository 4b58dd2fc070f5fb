/** Server-sent events, as the standard of HTML spells them. */

/** One event, or one comment. */
export interface ServerEvent {
  data: string;
  /** The last id that was given, in this event or an earlier one. */
  id: string;
  /** Set where this is a comment and no event. */
  comment?: string;
}

/** Gives the events of a body, whatever pieces it comes in. An event without its empty line at the end is none. */
export async function* serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  let id = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      // A CR at the end may be the first half of a CR LF.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { data: data.join("\n"), id };
          data = [];
        } else if (line.startsWith(":")) {
          yield { data: "", id, comment: line.slice(1).trim() };
        } else {
          const colon = line.indexOf(":");
          const field = colon < 0 ? line : line.slice(0, colon);
          const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
          if (field === "data") data.push(value);
          else if (field === "id" && !value.includes("\0")) id = value;
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
