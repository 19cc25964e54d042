// Asks for the token when the server wants one.

import * as Dialog from "@radix-ui/react-dialog";
import { useEffect, useRef, useState } from "react";
import { onTokenNeeded } from "../../api/client";

/** Without a token there is nothing to see: the dialog does not close until there is one. */
export function SignIn() {
  const [asked, setAsked] = useState<{ wrong: boolean; told: (token: string) => void }>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => onTokenNeeded((wrong) => new Promise((told) => setAsked({ wrong, told }))), []);
  return (
    <Dialog.Root open={asked !== undefined}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content
          className="dialog"
          onEscapeKeyDown={(event) => event.preventDefault()}
          onPointerDownOutside={(event) => event.preventDefault()}
        >
          <Dialog.Title>This server wants a token</Dialog.Title>
          <Dialog.Description className="muted">
            It is the value of <code>PARALLAX_API_TOKEN</code> there. It is kept until the last tab of this page is closed.
          </Dialog.Description>
          <form
            className="form"
            onSubmit={(event) => {
              event.preventDefault();
              asked?.told(input.current?.value.trim() ?? "");
              setAsked(undefined);
            }}
          >
            <label className="field">
              <span>Token</span>
              <input ref={input} type="password" required autoComplete="current-password" spellCheck={false} />
            </label>
            {asked?.wrong && (
              <p className="form-error" role="alert">
                The server does not know this token.
              </p>
            )}
            <div className="form-actions">
              <button type="submit" className="primary">
                Continue
              </button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
