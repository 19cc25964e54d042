// Files that are dropped or pasted onto a part of the page.

import { type ClipboardEvent, type DragEvent, useEffect, useState } from "react";

const hasFiles = ({ dataTransfer }: { dataTransfer: DataTransfer | null }): boolean => dataTransfer?.types.includes("Files") ?? false;

/** Handlers for the element that takes files, and whether some are held over it. */
export function useFileDrop(take: (files: File[]) => void) {
  const [isOver, setOver] = useState(false);
  return {
    isOver,
    handlers: {
      onDragOver: (event: DragEvent): void => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      },
      onDragLeave: (event: DragEvent): void => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
      },
      onDrop: (event: DragEvent): void => {
        setOver(false);
        if (event.dataTransfer.files.length === 0) return;
        event.preventDefault();
        take([...event.dataTransfer.files]);
      },
      // Before the terminal sees it. Programs put a picture of what was copied beside its text: then the text is meant.
      onPasteCapture: (event: ClipboardEvent): void => {
        const { files, types } = event.clipboardData;
        if (files.length === 0 || types.includes("text/plain")) return;
        event.preventDefault();
        event.stopPropagation();
        take([...files]);
      },
    },
  };
}

/** A file that is dropped beside what takes it does not replace the page. */
export function useNoStrayDrops(): void {
  useEffect(() => {
    const onDragOver = (event: globalThis.DragEvent): void => {
      if (!hasFiles(event) || event.defaultPrevented) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
    };
    const onDrop = (event: globalThis.DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    window.addEventListener("dragover", onDragOver);
    window.addEventListener("drop", onDrop);
    return () => {
      window.removeEventListener("dragover", onDragOver);
      window.removeEventListener("drop", onDrop);
    };
  }, []);
}
