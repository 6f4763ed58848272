// One turn as it streams: the bar, and below it the answer; after a failure, Try again alone.
import { STYLE } from "./style.js";
import { chatView } from "./view.js";

export default chatView(STYLE);
