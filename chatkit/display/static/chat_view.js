// A whole chat: its header, the messages, what went wrong, the queue, and the composer.
import { STYLE } from "./chat_style.js";
import { mountComposer } from "./composer.js";
import { mountHeader } from "./header.js";
import { mountQueue } from "./queue.js";
import { mountScroll } from "./scroll.js";
import { chatView } from "./view.js";

export default chatView(STYLE, { mountHeader, mountScroll, mountQueue, mountComposer });
