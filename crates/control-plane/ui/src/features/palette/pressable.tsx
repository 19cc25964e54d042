// What has a button on the page, as a command.

import { Command } from "cmdk";
import { useEffect, useState } from "react";
import { toast } from "../../ui/toasts";

/** What a row does when it is chosen: the palette goes first. */
export type Then = (action: () => unknown) => () => void;

/** What has a button where the agent or the run stands, by the button's name; what the palette calls it. */
const BUTTONS: Record<string, string> = {
  Interrupt: "Interrupt it",
  Restart: "Restart it …",
  Suspend: "Suspend it …",
  Resume: "Resume it",
  Stop: "Stop it …",
  Cancel: "Cancel the run …",
  "Replay the run": "Replay the run",
  "Fit to my window": "Fit its terminal to my window",
  "Give the size back": "Give its terminal the size back",
  "Watch only": "Watch its terminal only, or type again",
  "Search in the terminal": "Search in its terminal",
  Copy: "Copy what its terminal shows and keeps",
  "Files for the terminal": "Put files into its directory, and type where they are",
  Live: "Leave the recording",
  "Copy link": "Copy the link to this moment",
};

type Button = HTMLButtonElement | HTMLInputElement;

/** What it is called here, when it can be pressed now. */
function wordsFor(element: Button): string | undefined {
  const name = element.ariaLabel ?? (element.textContent || element.parentElement?.textContent || "");
  return element.isConnected && !element.disabled ? BUTTONS[name.trim()] : undefined;
}

/** What stood on the page when the palette opened, and can be pressed: pressed from here, it asks first where it asks first. */
export function Pressable({ then }: { then: Then }) {
  const [found] = useState(() =>
    [...document.querySelectorAll<Button>(".detail :is(.actions, .terminal-bar) :is(button, input), .page-head button, .replay button")].flatMap((element) => {
      const words = wordsFor(element);
      return words === undefined ? [] : [{ element, words }];
    }),
  );
  // As text: most of what changes on the page changes nothing here.
  const [gone, setGone] = useState("");
  useEffect(() => {
    const look = (): void => setGone(found.flatMap(({ element, words }) => (wordsFor(element) === words ? [] : words)).join("\n"));
    const changes = new MutationObserver(look);
    changes.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled"] });
    look();
    return () => changes.disconnect();
  }, [found]);
  const isGone = new Set(gone.split("\n"));
  return found.map(({ element, words }) => (
    <Command.Item key={words} disabled={isGone.has(words)} onSelect={then(() => (wordsFor(element) === words ? element.click() : toast(`“${words}” is not possible any more.`)))}>
      {words}
    </Command.Item>
  ));
}
