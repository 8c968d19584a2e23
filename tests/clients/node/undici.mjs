// undici gives bytes; reading lines and coming back are a loop of one's own.
import { headers, heard, installed, silenceMs, url } from "./told.mjs";

const { Agent, request } = installed("undici");
const dispatcher = new Agent({ bodyTimeout: silenceMs, headersTimeout: silenceMs });
for (;;) {
  try {
    const { statusCode, body } = await request(url, { headers, dispatcher });
    if (statusCode !== 200) throw new Error(`${statusCode}`);
    let rest = "";
    let event = { name: "", id: "" };
    for await (const chunk of body.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith(":")) console.log("comment");
        else if (line.startsWith("event: ")) event.name = line.slice(7);
        else if (line.startsWith("id: ")) event.id = line.slice(4);
        else if (line === "" && event.name) (heard(event.name, event.id), (event = { name: "", id: "" }));
      }
    }
  } catch (failure) {
    console.log(`gone ${failure.code ?? failure.message}`);
  }
  await new Promise((resume) => setTimeout(resume, 500 + 500 * Math.random()));
}
