package org.openhearth;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * An answer while it is written, by a thread of its own. Its pieces can be had once: with for, or as a stream. Closing
 * it ends the answer; what goes wrong is thrown where the pieces end.
 *
 * <pre>{@code
 * try (TextStream answer = session.streamSay("Why is the sky blue?", options)) {
 *   for (String piece : answer) System.out.print(piece);
 *   System.out.println(answer.result().finishReason());
 * }
 * }</pre>
 */
public final class TextStream implements Iterable<String>, AutoCloseable {
  private static final Piece END = new Piece("", Piece.NO_TOKEN);
  private static final int NUDGE_MILLISECONDS = 20;

  private final Session session;
  private final BlockingQueue<Piece> pieces = new LinkedBlockingQueue<>();
  private final Iterator<Piece> iterator = new Pieces();
  private final Thread writer;
  private volatile boolean left;
  private volatile Result result;
  private volatile Throwable fault;

  TextStream(Session session, Session.Way way, GenerationOptions options) {
    this.session = session;
    Numbers.given(options, "options");
    writer = new Thread(() -> write(way, options), "openhearth answer");
    writer.setDaemon(true);
    writer.start();
  }

  private void write(Session.Way way, GenerationOptions options) {
    try {
      result = session.generate(way, options, piece -> hear(piece, options));
    } catch (Throwable thrown) {
      fault = thrown;
    } finally {
      pieces.add(END);
    }
  }

  private boolean hear(Piece piece, GenerationOptions options) {
    boolean goOn = options.onPiece == null || options.onPiece.test(piece);
    pieces.add(piece);
    return goOn && !left;
  }

  /** The texts of the pieces. */
  @Override
  public Iterator<String> iterator() {
    return stream().iterator();
  }

  /** The texts of the pieces; closing the stream ends the answer. */
  public Stream<String> stream() {
    return pieces().map(Piece::text);
  }

  /** The pieces; closing the stream ends the answer. */
  public Stream<Piece> pieces() {
    int traits = Spliterator.ORDERED | Spliterator.NONNULL;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator, traits), false).onClose(this::close);
  }

  /** Waits for the end: the whole answer. */
  public Result result() {
    if (Thread.currentThread() == writer) {
      throw new HearthException(Status.BUSY, "the answer is not whole: this is its own callback");
    }
    try {
      writer.join();
    } catch (InterruptedException e) {
      throw interrupted();
    }
    complain();
    return result;
  }

  /** Ends the answer if it has not ended, and (but in its own callback) waits until the session is free. */
  @Override
  public void close() {
    left = true;
    boolean interrupted = false;
    while (writer.isAlive() && writer != Thread.currentThread()) {
      session.cancel(); // has no effect before the call has begun: say it until it is over
      try {
        writer.join(NUDGE_MILLISECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private HearthException interrupted() {
    close();
    Thread.currentThread().interrupt();
    return new HearthException(Status.CANCELLED, "the thread that waits for the answer was interrupted");
  }

  private void complain() {
    if (fault != null) {
      Callbacks.<RuntimeException>sneak(fault);
    }
  }

  private final class Pieces implements Iterator<Piece> {
    private Piece next;

    @Override
    public boolean hasNext() {
      try {
        next = next == null ? pieces.take() : next;
      } catch (InterruptedException e) {
        throw interrupted();
      }
      if (next == END) {
        complain();
      }
      return next != END;
    }

    @Override
    public Piece next() {
      if (!hasNext()) {
        throw new NoSuchElementException("the answer has ended");
      }
      Piece piece = next;
      next = null;
      return piece;
    }
  }
}
